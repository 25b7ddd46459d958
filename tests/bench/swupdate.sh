# swupdate: its raw handler, straight into the target, signed with CMS.
# shellcheck shell=bash disable=SC2154

swupdate_prepare() {
  local folder=$WORK/swupdate
  mkdir "$folder"
  cd "$folder" || return
  openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=bench -days 30 \
    -addext extendedKeyUsage=emailProtection -addext keyUsage=digitalSignature 2>/dev/null
  ln "$IMAGE" image
  cat >sw-description <<END
software = {
  version = "2";
  hardware-compatibility: [ "1.0" ];
  images: ({
    filename = "image"; type = "raw"; device = "$TARGET"; installed-directly = true;
    sha256 = "$(sha256sum image | cut -d ' ' -f 1)";
  });
}
END
  openssl cms -sign -in sw-description -out sw-description.sig -signer cert.pem -inkey key.pem -outform DER -nosmimecap -binary
  printf '%s\n' sw-description sw-description.sig image | cpio --quiet -o -H crc >update.swu
}

# It does not flush by itself.
swupdate_round() {
  warm "$WORK/swupdate/update.swu"
  scribble_target
  measure swupdate "$BENCH/durable" "$TARGET" \
    swupdate -H bench:1.0 -k "$WORK/swupdate/cert.pem" -i "$WORK/swupdate/update.swu"
  installed "$TARGET"
}
