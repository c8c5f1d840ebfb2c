#!/bin/sh
# Installs AID4 $version for a gateway ($arch, Python $python) from the files beside this one; no internet is asked.
#   sh install.sh [FOLDER]        where releases live; without it: venv, beside this file
#   PYTHON=/path/to/python sh install.sh     another Python $python than the first one on the path
set -eu
here=$$(CDPATH= cd -- "$$(dirname -- "$$0")" && pwd)
folder=$${1:-$$here/venv}
python=$${PYTHON:-python$python}

fail() { echo "install.sh: $$1" >&2; echo "fix: $$2" >&2; exit 2; }

(cd "$$here" && sha256sum --quiet -c SHA256SUMS) || fail "a file is damaged" "copy the bundle again"
command -v "$$python" >/dev/null || fail "no $$python here" "install Python $python, or name it: PYTHON=/path/to/python"
"$$python" - <<'CHECK' || exit 2
import platform, struct, sys
here = (platform.machine(), f"{sys.version_info[0]}.{sys.version_info[1]}", 8 * struct.calcsize("P"))
if here != ("$arch", "$python", 64):
    print(f"install.sh: this is {here[0]}, Python {here[1]}, {here[2]} bit; the bundle is for $arch, $python, 64 bit", file=sys.stderr)
    print(f"fix: aid4 edge bundle --arch {here[0]} --python {here[1]}; a 64 bit system is needed", file=sys.stderr)
    sys.exit(2)
CHECK
release=$$folder/releases/$version
mkdir -p "$$folder/releases" "$$folder/wheels"
"$$python" -m venv "$$release" || fail "no virtual environment" "apt install python$python-venv, and try again"
"$$release/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links "$$here/wheels" \
    "aid4[$extras]==$version"
# the next update fetches only the wheels that are not here
(cd "$$here" && sed -n 's,  wheels/,  ,p' SHA256SUMS) | while read -r sum file; do
    cp "$$here/wheels/$$file" "$$folder/wheels/$$sum.whl"
done
cp "$$here/bundle.json" "$$release/release.json"
cat >"$$folder/boot.new" <<'BOOT'
$boot
BOOT
chmod 755 "$$folder/boot.new"
mv "$$folder/boot.new" "$$folder/boot"
rm -f "$$folder/current.new"
ln -s "releases/$version" "$$folder/current.new"
mv -T "$$folder/current.new" "$$folder/current"
[ -e "$$folder/bin" ] || ln -s current/bin "$$folder/bin"
echo "AID4 $version is in $$folder; next: $$folder/bin/aid4 edge init"
