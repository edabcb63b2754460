# How this fake fails, if it shall: options.txt says at which phase, with which words, and how it ends.
#
#   fail.phase  start, synth_design, opt_design, place_design, phys_opt_design, route_design,
#               write_bitstream, or any command of the table
#   fail.line   a line to print; there may be several
#   fail.code   the exit code then (default 1); "none": the run goes on
#   fail.action hang, kill (by SIGKILL), or disk (a file of zeros until the disk is full)

namespace eval failures {}

proc failures::at {phase} {
    if {[fake::option fail.phase ""] ne $phase} {
        return
    }
    foreach line [fake::values fail.line] {
        puts $line
    }
    flush stdout
    switch -- [fake::option fail.action ""] {
        hang {
            while {1} {
                after 1000
            }
        }
        kill {
            exec kill -9 [pid]
        }
        disk {
            set file [open [fake::option fail.file full.bin] w]
            fconfigure $file -translation binary
            while {![catch {puts -nonewline $file [string repeat \0 1048576]; flush $file} message]} {}
            puts "ERROR: \[Common 17-69\] Command failed: $message"
        }
    }
    set code [fake::option fail.code 1]
    if {$code ne "none"} {
        exit $code
    }
}
