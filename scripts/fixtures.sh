#!/bin/bash
# Makes the small photos and videos under tests/fixtures/media, and facts.json beside them: what exiftool reads in each.
# The odd ones of tests/fixtures/odd are for the tests of acceptance.
# Nobody's own pictures are in them. Needs ffmpeg, libheif-examples, libimage-exiftool-perl, imagemagick, webp and python3.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/scripts
out=$PWD/tests/fixtures/media
odd=$PWD/tests/fixtures/odd
rm -rf "$out" "$odd"
mkdir -p "$out"
cd "$out"
im=$(command -v convert-im6.q16 || command -v convert)
export TZ=UTC
read=$(mktemp)
trap 'rm -f "$read"' EXIT

picture() { # NAME SEED OPTIONS...: 96 × 64 pixels
    local name=$1 seed=$2
    shift 2
    "$im" -size 96x64 -seed "$seed" plasma:red-blue -strip -define png:exclude-chunks=date,time "$@" "$name"
}
tags() { exiftool -q -overwrite_original -P "$@"; }
camera=(-Make=Testmaker "-Model=Testmaker T1")
taken() { printf '%s\n' "-DateTimeOriginal=$1" "-CreateDate=$1" "-ModifyDate=$1"; }
place=(-GPSLatitude=48.137 -GPSLatitudeRef=N -GPSLongitude=11.575 -GPSLongitudeRef=E -GPSAltitude=519)
mapfile -t usual < <(taken "2019:04:28 09:00:05")

# JPEG
picture plain.jpg 1
picture exif.jpg 2 && tags "${camera[@]}" "${usual[@]}" exif.jpg
picture zone.jpg 3 && tags "${camera[@]}" "${usual[@]}" -OffsetTimeOriginal=+05:45 -OffsetTime=+05:45 zone.jpg
picture located.jpg 4 && tags "${camera[@]}" "${usual[@]}" "${place[@]}" located.jpg
picture progressive.jpg 5 -interlace plane && tags "${camera[@]}" "${usual[@]}" progressive.jpg
picture grey.jpg 6 -colorspace gray && tags "${camera[@]}" "${usual[@]}" grey.jpg
mapfile -t old < <(taken "1965:07:20 20:17:40")
picture before-1970.jpg 7 && tags "${camera[@]}" "${old[@]}" before-1970.jpg
picture digitised.jpg 8 && tags "${camera[@]}" "-CreateDate=2019:04:28 09:00:05" digitised.jpg
picture modified.jpg 9 && tags "${camera[@]}" "-ModifyDate=2019:04:28 09:00:05" modified.jpg
picture rotated.jpg 10 && tags "${camera[@]}" "${usual[@]}" -n -Orientation=6 rotated.jpg
picture xmp.jpg 11 && tags "-XMP-exif:DateTimeOriginal=2019:04:28 09:00:05" "-XMP-tiff:Model=Testmaker T1" xmp.jpg
picture cmyk.jpg 12 -colorspace CMYK
picture IMG_20190428_090005.jpg 13
picture cropped.jpg 14 -crop 80x48+0+0 +repage \
    && tags "${camera[@]}" "${usual[@]}" -ExifImageWidth=96 -ExifImageHeight=64 cropped.jpg
picture gps-time.jpg 15 && tags "${camera[@]}" "${place[@]}" -GPSDateStamp=2019:04:28 -GPSTimeStamp=07:00:05 gps-time.jpg
picture odd-date.jpg 16 && tags "${camera[@]}" "-DateTimeOriginal#=0000:00:00 00:00:00" odd-date.jpg

# PNG, GIF, BMP, ICO, WebP, TIFF
picture plain.png 20 -resize 48x32
picture exif.png 21 -resize 48x32 && tags "${camera[@]}" "${usual[@]}" exif.png
picture deep.png 22 -resize 48x32 -depth 16
picture still.gif 23
picture moving.gif 24 -size 96x64 -seed 25 plasma:
picture plain.bmp 26 -resize 40x30! -type truecolor
picture reserved.bmp 27 -resize 40x30! -type truecolor
picture old.bmp 28 -resize 40x30! -type truecolor
picture one.ico 29 -resize 32x32!
picture several.ico 30 -resize 48x48! -define icon:auto-resize=48,32,16
picture lossy.webp 31 -quality 80
picture lossless.webp 32 -resize 48x32 -define webp:lossless=true && tags "${camera[@]}" "${usual[@]}" lossless.webp
picture little.tif 33 -resize 48x32 -endian LSB -compress lzw && tags "${camera[@]}" "${usual[@]}" little.tif
picture big.tif 34 -resize 48x32 -endian MSB -compress lzw && tags "${camera[@]}" "${usual[@]}" big.tif
picture bare.tif 35 -resize 48x32 -compress lzw

# HEIF and AVIF, by libheif
picture heif.png 40
picture heif-exif.jpg 41 && tags "${camera[@]}" "${usual[@]}" -OffsetTimeOriginal=+02:00 heif-exif.jpg
picture odd.png 42 -resize 95x63!
heif-enc -q 40 heif.png -o plain.heic
heif-enc -q 40 heif-exif.jpg -o exif.heic
heif-enc -q 40 -t 32 heif-exif.jpg -o thumbnail.heic
heif-enc -q 40 odd.png -o odd.heic
heif-enc -q 40 -A plain.jpg -o plain.avif
heif-enc -q 40 -A heif-exif.jpg -o exif.avif
rm heif.png heif-exif.jpg odd.png

# XMP alone, as some programs write it
packet=("-XMP-exif:DateTimeOriginal=2019:04:28 09:00:05" "-XMP-tiff:Make=Testmaker" "-XMP-tiff:Model=Testmaker T1")
picture xmp.png 80 -resize 48x32 && tags "${packet[@]}" xmp.png
picture xmp.webp 81 -quality 80 && tags "${packet[@]}" xmp.webp
picture xmp.gif 82 -resize 48x32 && tags "${packet[@]}" xmp.gif
picture heif.jpg 83
heif-enc -q 40 heif.jpg -o xmp.heic && tags "${packet[@]}" xmp.heic
heif-enc -q 40 -A heif.jpg -o xmp.avif && tags "${packet[@]}" xmp.avif

# Two pictures in one file, each with its own EXIF
mapfile -t later < <(taken "2020:01:02 03:04:05")
picture one.jpg 84 && tags "${camera[@]}" "${usual[@]}" one.jpg
picture two.jpg 85 -resize 64x48! && tags -Make=Othermaker "-Model=Othermaker O2" "${later[@]}" two.jpg
heif-enc -q 40 one.jpg two.jpg -o collection.heic
rm heif.jpg one.jpg two.jpg

# Videos, by ffmpeg
film() { # NAME SECONDS OPTIONS...
    local name=$1
    shift
    ffmpeg -v error -y -f lavfi -i testsrc=size=96x64:rate=5:duration=0.6 -flags +bitexact -fflags +bitexact "$@" "$name"
}
at=(-metadata creation_time=2019-04-28T09:00:05Z)
h264=(-c:v libx264 -pix_fmt yuv420p -preset veryslow -crf 40 -x264-params "threads=1:sei=0")
film clip.mp4 "${h264[@]}" "${at[@]}"
film timeless.mp4 "${h264[@]}"
film fast.mp4 "${h264[@]}" "${at[@]}" -movflags +faststart
film clip.mov "${h264[@]}" "${at[@]}" && tags -Keys:CreationDate="2019:04:28 11:00:05+02:00" "-Keys:Model=Testmaker T1" clip.mov
film apple.mov "${h264[@]}" -metadata creation_time=2019-04-28T15:12:00Z
tags -Keys:CreationDate="2019:04:28 11:00:05+02:00" apple.mov
film wide.mov -c:v mjpeg -q:v 20 "${at[@]}"
film clip.m4v "${h264[@]}" "${at[@]}" -f ipod
film clip.3gp "${h264[@]}" "${at[@]}"
film clip.3g2 "${h264[@]}" "${at[@]}"
film anamorphic.mp4 "${h264[@]}" "${at[@]}" -vf setsar=4/3
film clip.avi -c:v mjpeg -q:v 20
film dated.avi -c:v mjpeg -q:v 20
film clip.wmv -c:v wmv2 "${at[@]}"
film clip.asf -c:v msmpeg4 "${at[@]}"
film clip.mkv "${h264[@]}" "${at[@]}"
film timeless.mkv "${h264[@]}"
film two-tracks.mkv -f lavfi -i testsrc=size=64x48:rate=5:duration=0.6 -map 0:v -map 1:v -flags +bitexact -fflags +bitexact \
    "${h264[@]}" "${at[@]}"
film clip.mpg -c:v mpeg2video -r 25 -q:v 20
film clip.mts "${h264[@]}" -f mpegts -mpegts_m2ts_mode 1
film clip.m2t "${h264[@]}" -f mpegts
# As camcorders write them: interlaced, and with lines to cut off. exiftool reads no H.264 of fewer than 160 × 120 pixels.
film interlaced.mts -s 320x180 -c:v libx264 -pix_fmt yuv420p -preset veryslow -crf 45 -f mpegts -mpegts_m2ts_mode 1 \
    -x264-params threads=1:sei=0:interlaced=1
film old.m2t -s 320x180 -c:v mpeg2video -r 25 -q:v 31 -f mpegts

# RAW: TIFF with the marks of each maker, and containers around a JPEG or a TIFF block
picture block.tif 60 -resize 24x16 -endian LSB -compress none
tags "${camera[@]}" "${usual[@]}" block.tif
picture within.jpg 61 && tags "${camera[@]}" "${usual[@]}" within.jpg
for kind in dng nef arw pef srw iiq nrw; do
    cp block.tif "maker.$kind"
    tags "-Model=Testmaker ${kind^^}" -OffsetTimeOriginal=-03:30 "maker.$kind" || true
done

# Pairs of two contents under one name
picture burst-1.jpg 70 -quality 92 && tags "${camera[@]}" "${usual[@]}" burst-1.jpg
picture burst-2.jpg 71 -quality 90 && tags "${camera[@]}" "${usual[@]}" burst-2.jpg
picture camera-1.jpg 72 && tags -Make=Testmaker "-Model=Testmaker T1" "${usual[@]}" camera-1.jpg
picture camera-2.jpg 73 && tags -Make=Othermaker "-Model=Othermaker O2" "${later[@]}" camera-2.jpg
"$im" exif.jpg -modulate 130 -quality 97 exif-edited.jpg
"$im" located.jpg -modulate 130 -quality 97 located-edited.jpg
"$im" exif.jpg -crop 80x48+0+0 +repage exif-cropped.jpg
picture screen-1.bmp 74 -resize 40x30! -type truecolor
picture screen-2.bmp 75 -resize 40x30! -type truecolor
picture drawing-1.png 76 -resize 48x32
picture drawing-2.png 77 -resize 40x32!
film take-1.mp4 "${h264[@]}" "${at[@]}" -vf hflip
film take-2.mp4 "${h264[@]}" -metadata creation_time=2019-04-29T10:11:12Z -vf negate
picture wrapped-1.jpg 86 -quality 92 && tags "${camera[@]}" "${usual[@]}" "${place[@]}" wrapped-1.jpg
picture wrapped-2.jpg 87 -quality 90 \
    && tags -Make=Othermaker "-Model=Othermaker O2" "${later[@]}" "${place[@]}" wrapped-2.jpg
picture scan-1.tif 88 -resize 24x16 -compress none && tags "${camera[@]}" "${usual[@]}" scan-1.tif
picture scan-2.tif 89 -resize 24x16 -compress none && tags "${camera[@]}" "${usual[@]}" scan-2.tif
picture near-1.jpg 90 -quality 92 && tags "${camera[@]}" "${usual[@]}" "${place[@]}" near-1.jpg
picture near-2.jpg 91 -quality 91 && tags "${camera[@]}" "${usual[@]}" "${place[@]}" near-2.jpg
# Two shots of one second with a place, whose sizes differ by less than the place takes
picture small-1.jpg 93 -quality 88 && tags "${camera[@]}" "${usual[@]}" "${place[@]}" small-1.jpg
picture small-2.jpg 94 -quality 88 && tags "${camera[@]}" "${usual[@]}" "${place[@]}" small-2.jpg
# Filled up to one size: two shots of one second, and two of two cameras
picture padded-1.jpg 95 -quality 90 && tags "${camera[@]}" "${usual[@]}" -SubSecTimeOriginal=11 padded-1.jpg
picture padded-2.jpg 96 -quality 90 && tags "${camera[@]}" "${usual[@]}" -SubSecTimeOriginal=22 padded-2.jpg
picture padded-3.jpg 97 -quality 90 && tags -Make=Othermaker "-Model=Othermaker O2" "${later[@]}" padded-3.jpg
picture padded-4.jpg 98 -quality 90 && tags "${camera[@]}" "${usual[@]}" padded-4.jpg
truncate -s 5120 padded-[1-4].jpg
# A camera whose clock was never set
film reset-1.mp4 "${h264[@]}" -metadata creation_time=2000-01-01T00:00:00Z -vf vflip
film reset-2.mp4 "${h264[@]}" -metadata creation_time=2000-01-01T00:00:00Z -vf hflip,negate

python3 "$here/fixtures.py" .
rm block.tif within.jpg
exiftool -j -n -api QuickTimeUTC=0 -ImageWidth -ImageHeight -Make -Model -DateTimeOriginal -OffsetTimeOriginal -CreateDate \
    -CreationDate -ModifyDate -GPSDateTime -MIMEType ./* > "$read"
python3 "$here/fixtures.py" --facts "$read" > facts.json

# Odd containers for the tests of acceptance: videos and a photo that are taken, and sound, which is refused.
mkdir -p "$odd/taken" "$odd/refused"
cd "$odd/taken"
python3 "$here/fixtures.py" --odd "$out" .
ffmpeg -v error -y -i "$out/clip.mp4" -c copy -flags +bitexact -fflags +bitexact \
    -movflags frag_keyframe+empty_moov+default_base_moof fragmented.mp4
"$im" -size 24x16 -seed 92 plasma:red-blue -strip TIFF64:bigtiff.tif
cd "$odd/refused"
sound() { # NAME SECONDS OPTIONS...
    local name=$1 seconds=$2
    shift 2
    ffmpeg -v error -y -f lavfi -i "sine=duration=$seconds:sample_rate=16000" -flags +bitexact -fflags +bitexact "$@" "$name"
}
# Its tracks stand behind the first 4096 bytes.
sound moov-behind.mp4 4 -c:a aac -b:a 16k
sound moov-behind.mov 1 -c:a pcm_s16le
sound sound.3gp 0.5 -c:a aac -b:a 16k
sound sound.mkv 0.5 -c:a aac -b:a 16k
sound live.mkv 0.5 -c:a aac -b:a 16k -live 1
sound sound.avi 0.5 -c:a pcm_u8
sound sound.mpg 0.5 -c:a mp2 -b:a 32k -f mpeg
sound sound.mts 0.5 -c:a ac3 -b:a 32k -f mpegts -mpegts_m2ts_mode 1
sound sound.wmv 0.5 -c:a wmav2 -b:a 24k -f asf
du -cb "$out" "$odd" | tail -1
