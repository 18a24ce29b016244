# For Nix: nix build '.?dir=packaging'
{
  description = "Mount Google Photos as a directory tree";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      manifest = builtins.fromTOML (builtins.readFile ../Cargo.toml);
    in
    {
      packages = nixpkgs.lib.genAttrs systems (
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
        in
        {
          default = pkgs.rustPlatform.buildRustPackage {
            pname = "gphotosfs";
            version = manifest.workspace.package.version;
            src = ./..;
            cargoLock.lockFile = ../Cargo.lock;
            nativeBuildInputs = [ pkgs.installShellFiles ];
            # They need /dev/fuse.
            doCheck = false;
            postInstall = ''
              $out/bin/gphotosfs man --dir man
              installManPage man/*.1
              for shell in bash fish zsh; do
                $out/bin/gphotosfs completions $shell >gphotosfs.$shell
              done
              installShellCompletion gphotosfs.{bash,fish,zsh}
              install -D -m 644 -t $out/share/systemd/user packaging/*.service
            '';
            meta = {
              description = "Mount Google Photos as a directory tree";
              license = [ pkgs.lib.licenses.mit pkgs.lib.licenses.asl20 ];
              platforms = systems;
              mainProgram = "gphotosfs";
            };
          };
        }
      );
    };
}
