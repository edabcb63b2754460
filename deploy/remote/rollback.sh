# shellcheck shell=sh
# Makes the release before the current one the current one.
# Argument: folder.
root=$(folder "$1")
[ -f "$root/history" ] || finish no_release

lock
now=$(current)
previous=
while read -r name; do
    if [ "$name" = "$now" ]; then break; fi
    if [ -d "$root/releases/$name" ]; then previous=$name; fi
done <"$root/history"
[ -n "$previous" ] || finish no_release "$now"
intact "$root/releases/$previous" || finish damaged "$previous"
point "$previous"
finish ok "$previous"
