# shellcheck shell=sh
# Makes a release that is there the current one, and removes old ones.
# Arguments: folder, name, the sha256 of its checksums, how many releases to keep.
root=$(folder "$1")
name=$2 expected=$3 keep=$4
release=$root/releases/$name

[ -d "$release" ] || finish absent
found=$(sha256sum "$release/.sums" 2>/dev/null | cut -d ' ' -f 1)
if [ "$found" != "$expected" ] || ! intact "$release"; then finish damaged "$name"; fi

lock
[ -d "$release" ] || finish absent
activate "$name" "$keep"
finish ok
