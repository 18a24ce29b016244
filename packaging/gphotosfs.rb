# For Homebrew on Linux. scripts/release.sh writes the version and the digest into a copy of it.
class Gphotosfs < Formula
  desc "Mount Google Photos as a directory tree"
  homepage "https://crates.io/crates/gphotosfs"
  url "https://static.crates.io/crates/gphotosfs/gphotosfs-0.1.0.crate"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "rust" => :build
  depends_on :linux

  def install
    system "cargo", "install", *std_cargo_args
    generate_completions_from_executable(bin/"gphotosfs", "completions")
    system bin/"gphotosfs", "man", "--dir", buildpath/"man"
    man1.install Dir["man/*.1"]
    doc.install "README.md", "docs"
  end

  def caveats
    <<~EOS
      An ordinary user mounts by fusermount3, which the system's package fuse3 installs with the
      rights that it needs.
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/gphotosfs --version")
  end
end
