#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the Debian package has in it: files, fields, capabilities, and pages that say all that the
# programs say. usage: package_test.sh BUILD-FOLDER. scripts/test-package installs and uses it.
set -euo pipefail
build=$(realpath "${1:?usage: $0 BUILD-FOLDER}")
work=$(mktemp -d "${TMPDIR:-/tmp}/vsplit-package.XXXXXX")
trap 'rm -rf "$work"' EXIT

# expect_text WHAT WANTED GOT
expect_text() {
    [ "$2" = "$3" ] || {
        printf '%s\n--- wanted\n%s\n--- got\n%s\n' "$1" "$2" "$3" >&2
        exit 1
    }
}

cpack --config "$build/CPackConfig.cmake" -B "$work" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
package=$(echo "$work"/vsplit_*_"$(dpkg --print-architecture)".deb)

expect_text "files, with their modes" "\
-rw-r--r-- root/root ./etc/default/vsplitd
-rw-r--r-- root/root ./usr/lib/systemd/system/vsplitd.service
-rw-r--r-- root/root ./usr/lib/sysusers.d/vsplit.conf
-rw-r--r-- root/root ./usr/share/bash-completion/completions/vsplit
-rw-r--r-- root/root ./usr/share/doc/vsplit/README.md.gz
-rw-r--r-- root/root ./usr/share/doc/vsplit/changelog.gz
-rw-r--r-- root/root ./usr/share/doc/vsplit/copyright
-rw-r--r-- root/root ./usr/share/doc/vsplit/examples/connection-limits.conf
-rw-r--r-- root/root ./usr/share/doc/vsplit/examples/fleetman-50.yaml
-rw-r--r-- root/root ./usr/share/doc/vsplit/examples/fleetman.yaml
-rw-r--r-- root/root ./usr/share/man/man1/vsplit.1.gz
-rw-r--r-- root/root ./usr/share/man/man8/vsplitd.8.gz
-rwxr-xr-x root/root ./usr/bin/vsplit
-rwxr-xr-x root/root ./usr/sbin/vsplitd" \
    "$(dpkg-deb -c "$package" | awk '/^-/ { print $1, $2, $6 }' | LC_ALL=C sort)"

field() { dpkg-deb -f "$package" "$1"; }
expect_text "name" vsplit "$(field Package)"
expect_text "section" net "$(field Section)"
for library in libbpf1 libc-ares2 libre2 libsqlite3-0 libssl3 libyaml-cpp libzstd1 systemd-standalone-sysusers; do
    [[ " $(field Depends)" == *[\ ]$library* ]] || {
        echo "the package does not depend on $library: $(field Depends)" >&2
        exit 1
    }
done

dpkg-deb -e "$package" "$work/control"
expect_text "control files" "conffiles control md5sums postinst postrm prerm" \
    "$(cd "$work/control" && LC_ALL=C echo ./* | sed 's|\./||g')"
expect_text "configuration that is kept" /etc/default/vsplitd "$(cat "$work/control/conffiles")"

dpkg-deb -x "$package" "$work/root"
unit=$work/root/usr/lib/systemd/system/vsplitd.service
for set in CapabilityBoundingSet AmbientCapabilities; do
    expect_text "$set" "$set=CAP_BPF CAP_NET_ADMIN CAP_PERFMON" "$(grep "^$set" "$unit")"
done
expect_text "version" "vsplit $(field Version)" "$("$work/root/usr/bin/vsplit" version --client)"
expect_text "version" "vsplitd $(field Version)" "$("$work/root/usr/sbin/vsplitd" --version)"

# A page has every option of every command, and what is said of it.
options() { sed -n '/^Options:$/,/^$/s/^  \(-[^ ]*\).*/\1/p'; }
commands() { "$1" --help | sed -n '/^Subcommands:$/,/^$/s/^  \([a-z]*\) .*/\1/p'; }
for program in usr/sbin/vsplitd.8 usr/bin/vsplit.1; do
    name=$(basename "${program%.*}") section=${program##*.}
    program=$work/root/${program%.*}
    page=$(gzip -dc "$work/root/usr/share/man/man$section/$name.$section.gz" | sed 's/\\-/-/g')
    expect_text "$name: sections of commands" "$(commands "$program")" "$(sed -n 's/^\.SS //p' <<<"$page")"
    for command in "" $(commands "$program"); do
        expect_text "$name $command: options in its page" \
            "$("$program" ${command:+"$command"} --help | options)" \
            "$(awk -v wanted="${command:-DESCRIPTION}" \
                '/^\.S[SH]/ { inside = $2 == wanted } inside && /^\.B -/ { print $2 }' <<<"$page")"
    done
    ! grep -q '@' <<<"$page" || {
        echo "$name($section) has a place that was not filled: $(grep @ <<<"$page")" >&2
        exit 1
    }
done
echo "$(basename "$package"): $(stat -c %s "$package") bytes"
