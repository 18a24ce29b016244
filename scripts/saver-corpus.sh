#!/usr/bin/env bash
# Makes photos of all kinds that smaller copies meet, for tests/mount/saver_corpus.rs.
#   scripts/saver-corpus.sh DIR
# DIR/smaller has photos that can be made smaller, DIR/either others that may be left whole, and DIR/WORD those that are left
# whole for the reason with that word. The first word of a file's name is its kind. What other people have photographed comes
# from packages of Debian. A corpus that these scripts have made already stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

[ $# = 1 ] || { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
scripts=$PWD/scripts fixtures=$PWD/tests/fixtures/media
mkdir -p "$1"
out=$(realpath "$1")
version=$(cat scripts/saver-corpus.* | sha256sum)
if [ "$version" = "$(cat "$out.made" 2>/dev/null)" ]; then exit; fi

need_command apt-get apt
need_command cjpeg libjpeg-turbo-progs
need_command convert imagemagick
need_command cwebp webp
need_command exiftool libimage-exiftool-perl
need_command ffmpeg ffmpeg
need_command heif-enc libheif-examples
need_command python3 python3
# Another program may have the usual name.
im=$(command -v convert-im6.q16 || command -v convert)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out" "$out.made"
mkdir -p "$out"/{smaller,either}
cd "$out"

# scene WIDTH HEIGHT SEED: a picture with surfaces, edges and grain, as PPM.
scene() {
    "$im" -size "$(($1 / 4))x$(($2 / 4))" -seed "$3" plasma:fractal -resize "$1x$2!" -attenuate 0.25 +noise Gaussian \
        -depth 8 ppm:-
}
# camera WIDTH HEIGHT SEED OPTIONS...: a photo as cameras store it.
camera() { scene "$1" "$2" "$3" | cjpeg -quality 97 "${@:4}"; }
# picture OPTIONS...: of ImageMagick, as PPM.
picture() { "$im" "$@" -depth 8 ppm:-; }
tags() { exiftool -q -q -overwrite_original "$@"; }

# Subsamplings and codings
for sample in 1x1 2x1 1x2 2x2; do
    camera 1200 900 1 -sample "$sample" >"smaller/scene-$sample-baseline.jpg"
    camera 1201 899 2 -sample "$sample" -progressive >"smaller/scene-$sample-progressive.jpg"
done
camera 1200 900 3 -sample 2x2 -optimize >smaller/scene-optimized.jpg
camera 1200 900 4 -sample 2x2 -restart 1 >smaller/scene-restarts.jpg
camera 1600 1200 5 -grayscale >smaller/scene-grey.jpg
camera 1600 1200 6 -grayscale -progressive >smaller/scene-grey-progressive.jpg
for sample in 4x1 4x2 2x1,2x2,1x1; do
    camera 1200 900 7 -sample "$sample" >"either/scene-$sample.jpg"
done

# Sizes; those of more than 16 megapixels have their size in EXIF, too.
camera 3000 2000 10 -sample 2x1 >smaller/size-6mp.jpg
camera 4000 3000 11 -sample 2x2 >smaller/size-12mp.jpg
camera 4608 3456 12 -sample 2x2 >smaller/size-15.9mp.jpg
camera 260 7000 13 -sample 2x2 >smaller/size-narrow.jpg
camera 6000 4000 14 -sample 2x2 >smaller/large-24mp.jpg
camera 3500 5000 15 -sample 2x1 >smaller/large-upright.jpg
camera 12000 1500 16 -sample 1x1 >smaller/large-wide.jpg
camera 5200 3400 17 -sample 2x2 -progressive >smaller/large-progressive.jpg
camera 5000 4000 18 -grayscale >smaller/large-grey.jpg
{ printf 'P6 8000 6000 255\n' && scene 8000 3000 19 | tail -c 72000000 && scene 8000 3000 20 | tail -c 72000000; } |
    cjpeg -quality 95 -sample 2x2 >smaller/large-48mp.jpg

# Contents that are hard to code
words=$(seq -s ' ' 100 1400 | fold -w 140)
picture -size 1600x1200 xc:white -pointsize 20 -fill black -annotate +20+40 "$words" >"$work/text.ppm"
picture -size 1600x1200 'xc:#0000c0' -pointsize 30 -fill '#ff2020' -annotate +20+40 "$words" >"$work/colours.ppm"
scene 1600 1200 21 | "$im" ppm:- -pointsize 40 -fill white -gravity center -annotate 0 "${words:0:50}" -depth 8 ppm:- \
    >"$work/titled.ppm"
picture -size 1600x1200 gradient:navy-orange -attenuate 0.05 +noise Gaussian >"$work/gradient.ppm"
picture -size 4000x3000 radial-gradient:white-black >"$work/smooth.ppm"
picture -size 1600x1200 pattern:checkerboard -seed 22 -attenuate 0.1 +noise Gaussian >"$work/squares.ppm"
picture -size 1600x1200 -seed 23 xc:gray50 -attenuate 2 +noise Gaussian -colorspace gray -colorspace sRGB >"$work/noise.ppm"
picture -size 1000x800 -seed 24 xc:gray50 +noise Random >"$work/random.ppm"
picture -size 1000x800 -seed 25 xc:gray50 -attenuate 2 +noise Gaussian >"$work/grain.ppm"
scene 1600 1200 26 | "$im" ppm:- -evaluate multiply 0.08 -depth 8 ppm:- >"$work/dark.ppm"
for content in "$work"/*.ppm; do
    name=$(basename "$content" .ppm)
    cjpeg -quality 97 -sample 2x2 "$content" >"either/content-$name.jpg"
    cjpeg -quality 98 -sample 1x1 "$content" >"either/content-$name-444.jpg"
done

# Metadata of every kind, one after the other and together
camera 1200 900 30 -sample 2x2 >"$work/meta.jpg"
"$im" "$work/meta.jpg" -resize 160x120 "$work/thumbnail.jpg"
icc=$(find /usr/share/color/icc -name srgb.icc -print -quit)
[ -n "$icc" ] || { need_package libgs-common && icc=$(find /usr/share/color/icc -name srgb.icc -print -quit); }
seq 30000 >"$work/long.txt"
taken=('-DateTimeOriginal=2019:04:28 09:00:05' '-CreateDate=2019:04:28 09:00:05' -SubSecTimeOriginal=123 -SubSecTimeDigitized=45
    -OffsetTimeOriginal=+05:45 -OffsetTimeDigitized=-03:30 -OffsetTime=+02:00)
exif=(-Make=Testmaker '-Model=Testmaker T1' '-LensModel=A lens 24-70 mm' "${taken[@]}" -ExifImageWidth=1200 -ExifImageHeight=900
    -GPSLatitude=48.137 -GPSLatitudeRef=N -GPSLongitude=11.575 -GPSLongitudeRef=E -GPSAltitude=519 -GPSDateStamp=2019:04:28
    -GPSTimeStamp=07:00:05 '-UserComment=seen by a test' -Rating=4)
iptc=(-IPTC:Keywords=one -IPTC:Keywords=two '-IPTC:Caption-Abstract=A caption' -IPTC:City=München -IPTC:CodedCharacterSet=UTF8)
face='{Area={X=0.5,Y=0.5,W=0.1,H=0.1},Name=Somebody,Type=Face}'
xmp=(-XMP-dc:Title=Title -XMP-dc:Subject=one -XMP-dc:Subject=two -XMP-xmp:Label=Red -XMP-lr:HierarchicalSubject='a|b'
    "-XMP-mwg-rs:RegionInfo={AppliedToDimensions={W=1200,H=900,Unit=pixel},RegionList=[$face]}")
meta() { # NAME OPTIONS...
    cp "$work/meta.jpg" "smaller/meta-$1.jpg"
    tags "${@:2}" "smaller/meta-$1.jpg"
}
meta exif "${exif[@]}"
meta exif-little-endian -ExifByteOrder=Little-endian "${exif[@]}"
meta thumbnail "${exif[@]}" "-ThumbnailImage<=$work/thumbnail.jpg"
for orientation in 1 2 3 4 5 6 7 8; do meta "orientation-$orientation" "${exif[@]}" "-Orientation#=$orientation"; done
meta icc "-ICC_Profile<=$icc"
meta xmp "${xmp[@]}"
meta xmp-extended "${xmp[@]}" "-XMP-dc:Description<=$work/long.txt"
meta iptc "${iptc[@]}"
meta comment '-Comment=A comment of this file, Zürich'
meta jfif -JFIF:XResolution=300 -JFIF:YResolution=240 -JFIF:ResolutionUnit=inches
all=("${exif[@]}" -Orientation#=6 "-ThumbnailImage<=$work/thumbnail.jpg" "-ICC_Profile<=$icc" "${iptc[@]}" "${xmp[@]}"
    "-XMP-dc:Description<=$work/long.txt" -Comment=all)
meta all "${all[@]}"
for large in smaller/large-*.jpg; do
    # shellcheck disable=SC2016  # exiftool's variables
    read -r width height < <(exiftool -s3 -p '$ImageWidth $ImageHeight' "$large")
    tags "${all[@]}" -ExifImageWidth="$width" -ExifImageHeight="$height" "$large"
done

# The headers of cameras with their maker notes, from which somebody has cut off the pictures; and photos
mkdir "$work/debian"
(cd "$work/debian" && for package in golang-github-rwcarlsen-goexif-dev lomiri-wallpapers-16.04 lomiri-wallpapers-20.04; do
    apt-get download -qq "$package" 2>/dev/null || { as_root apt-get update -qq && apt-get download -qq "$package"; }
done && for package in *.deb; do dpkg-deb -x "$package" .; done)
n=100
while read -r header; do
    n=$((n + 1))
    camera 1000 750 "$n" -sample 2x1 >"$work/maker.jpg"
    python3 "$scripts/saver-corpus.py" header "$header" "$work/maker.jpg" "smaller/maker-$n.jpg"
done < <(find "$work/debian" -path '*goexif/exif/*' -name '*.jpg' ! -path '*/corrupt/*' | sort)
# One of them on a large picture, with the fields of its size.
camera 5000 3500 99 -sample 2x1 >"$work/maker.jpg"
header=$(find "$work/debian" -path '*goexif/exif/samples/2011-01*' | sort | head -n 1)
python3 "$scripts/saver-corpus.py" header "$header" "$work/maker.jpg" smaller/large-maker.jpg
tags -ExifImageWidth=5000 -ExifImageHeight=3500 smaller/large-maker.jpg
n=0
for photo in "$work"/debian/usr/share/backgrounds/*.jpg; do
    n=$((n + 1))
    cp "$photo" "either/photo-$n-published.jpg"
    # Half the size hides how it was coded before.
    picture "$photo" -resize 50% >"$work/half.ppm"
    cjpeg -quality 96 -sample "$((n % 2 + 1))x$((n / 2 % 2 + 1))" "$work/half.ppm" >"either/photo-$n-camera.jpg"
    tags "${exif[@]}" "-ICC_Profile<=$icc" "either/photo-$n-camera.jpg"
done

# Files that are left whole
mkdir format small lean trailing-bytes motion-photo multi-picture gain-map panorama depth extended colours coding damaged huge
for file in "$fixtures"/*; do
    case $file in *.jpg | *.json) ;; *) cp "$file" "format/fixture-$(basename "$file")" ;; esac
done
scene 1600 1200 40 >"$work/other.ppm"
"$im" "$work/other.ppm" format/photo-png.png
"$im" "$work/text.ppm" format/screenshot-png.png
"$im" "$work/other.ppm" -compress lzw format/photo-tiff.tif
"$im" "$work/other.ppm" -colors 64 format/photo-gif.gif
cwebp -quiet -q 95 "$work/other.ppm" -o format/photo-webp.webp
heif-enc -q 90 format/photo-png.png -o format/photo-heic.heic >/dev/null
heif-enc -q 90 -A format/photo-png.png -o format/photo-avif.avif >/dev/null
camera 500 400 41 -sample 2x2 >small/photo-bytes.jpg
camera 200 9000 42 -sample 2x2 >small/photo-narrow.jpg
scene 4000 3000 43 | cjpeg -quality 80 -sample 2x2 >lean/photo-quality.jpg
picture -size 4000x3000 gradient:navy-orange -seed 44 -attenuate 0.02 +noise Gaussian |
    cjpeg -quality 94 -sample 2x2 >lean/photo-smooth.jpg
camera 1200 900 45 -sample 2x2 >"$work/whole.jpg"
tags "${all[@]}" "$work/whole.jpg"
ffmpeg -v error -f lavfi -i testsrc=size=320x240:rate=15:duration=1 -c:v libx264 -pix_fmt yuv420p "$work/clip.mp4"
python3 "$scripts/saver-corpus.py" whole "$work/whole.jpg" "$work/thumbnail.jpg" "$work/clip.mp4" .
"$im" "$work/other.ppm" -colorspace CMYK -quality 97 colours/photo-cmyk.jpg
cjpeg -quality 97 -rgb "$work/other.ppm" >colours/photo-rgb.jpg
for coding in -baseline -progressive; do
    cjpeg -quality 97 -arithmetic "$coding" "$work/other.ppm" >"coding/photo-arithmetic$coding.jpg"
done
ffmpeg -v error -i "$work/other.ppm" -c:v ljpeg -pix_fmt bgr24 -f image2 coding/photo-lossless.jpg
{ printf 'P5 20000 20000 255\n' && head -c 400000000 /dev/zero; } | cjpeg -grayscale >huge/photo-400mp.jpg
echo "$version" >"$out.made"
