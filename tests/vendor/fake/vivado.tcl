# A fake Vivado: `tclsh vivado.tcl <options of vivado>`. It runs a script of ours or of FINN in a
# Tcl interpreter whose Vivado commands are checked, recorded, and played with a simple model.

set here [file dirname [file normalize [info script]]]
foreach part {options commands objects block_design ips netlist reports files failures vivado_commands} {
    source [file join $here $part.tcl]
}

namespace eval fake {
    variable home $here
    variable calls ""
    variable options [read_options [file join $here options.txt]]
    variable version [option version 2024.2]
    variable user_arguments {}
}

# ---- what a script calls

proc fake::call {name args} {
    # Checks and records one call, and plays it. Raises the error that Vivado would give.
    variable table
    record $name $args
    lassign [dict get $table $name] allowed least most
    set given [dict create]
    set rest {}
    for {set k 0} {$k < [llength $args]} {incr k} {
        set word [lindex $args $k]
        if {![regexp {^-[A-Za-z]} $word]} {
            lappend rest $word
            continue
        }
        if {![dict exists $allowed $word]} {
            fail {Common 17-170} "Unknown option '$word', please type '$name -help' for usage info."
        }
        set kind [dict get $allowed $word]
        if {$kind eq "flag"} {
            dict set given $word 1
            continue
        }
        incr k
        if {$k >= [llength $args]} {
            fail {Common 17-163} "Missing value for option '[string range $word 1 end]', please type '$name -help' for usage info."
        }
        set value [lindex $args $k]
        set choices [lrange $kind 1 end]
        if {$choices ne {} && $value ni $choices} {
            fail {Common 17-161} "Invalid option value '$value' specified for '[string range $word 1 end]'."
        }
        dict set given $word $value
    }
    if {[llength $rest] > $most} {
        fail {Common 17-165} "Too many positional options when parsing '[lindex $rest $most]', please type '$name -help' for usage info."
    }
    if {[llength $rest] < $least} {
        fail {Common 17-163} "Missing value for option 'objects', please type '$name -help' for usage info."
    }
    if {[info commands ::do::$name] eq ""} {
        return ""
    }
    if {[dict exists $given -quiet]} {
        if {[catch {::do::$name $given $rest} result]} {
            return ""
        }
        return $result
    }
    return [::do::$name $given $rest]
}

proc fake::record {name words} {
    variable calls
    puts $calls [json_list [list $name {*}$words]]
    flush $calls
}

proc fake::stranger {args} {
    # A command that is not in the table: recorded, then refused as Tcl does.
    record [lindex $args 0] [lrange $args 1 end]
    puts "ERROR: unknown command [lindex $args 0]"
    return -code error "invalid command name \"[lindex $args 0]\""
}

proc fake::fail {id text} {
    puts "ERROR: \[$id\] $text"
    flush stdout
    return -level 2 -code error "ERROR: \[$id\] $text"
}

proc fake::say {severity id text} {
    puts "$severity: \[$id\] $text"
    flush stdout
}

# ---- the end

proc fake::leave {{code 0}} {
    say INFO {Common 17-206} "Exiting Vivado at [clock format [clock seconds]]..."
    exit $code
}

# ---- the command line of vivado (UG835: vivado -help)

proc fake::main {words} {
    variable calls
    variable version
    variable user_arguments
    set script ""
    set mode gui
    set log vivado.log
    for {set k 0} {$k < [llength $words]} {incr k} {
        set word [lindex $words $k]
        switch -- $word {
            -version {
                puts "vivado v$version (64-bit)"
                puts "Tool Version Limit: [lindex [split $version .] 0].[expr {[lindex [split $version .] 1] == 2 ? 11 : {05}}]"
                puts "SW Build 5239630 on Fri Nov 08 22:34:34 MST 2024"
                exit 0
            }
            -mode {set mode [lindex $words [incr k]]}
            -source {set script [lindex $words [incr k]]}
            -log {set log [lindex $words [incr k]]}
            -journal - -tempDir - -stack - -applog {incr k}
            -nolog {set log ""}
            -nojournal - -notrace - -verbose {}
            -tclargs {
                set user_arguments [lrange $words [expr {$k + 1}] end]
                break
            }
            default {
                puts "ERROR: \[Common 17-170\] Unknown option '$word', please type 'vivado -help' for usage info."
                exit 1
            }
        }
    }
    if {$mode ne "batch" || $script eq ""} {
        puts "ERROR: \[Common 17-163\] this fake runs only -mode batch -source <script>"
        exit 1
    }
    set calls [open fake_calls.jsonl a]
    puts $calls [json_list [list # vivado {*}$words]]
    if {$log ne ""} {
        keep_log $log
    }
    banner
    failures::at start
    interp create vivado
    share_output vivado
    interp eval vivado [list set argv $user_arguments]
    interp eval vivado [list set argc [llength $user_arguments]]
    variable table
    dict for {name _} $table {
        interp alias vivado $name {} fake::call $name
    }
    foreach name {ipx::open_ipxact_file} {
        interp eval vivado {namespace eval ipx {}}
    }
    interp alias vivado exit {} fake::leave
    interp alias vivado unknown {} fake::stranger
    extend vivado
    puts "source $script"
    if {[catch {interp eval vivado [list source $script]} message choices]} {
        if {![string match "ERROR: *" $message]} {
            puts $message
        }
        puts "    while executing\n[dict get $choices -errorinfo]"
        leave 1
    }
    leave 0
}

proc fake::extend {interpreter} {
    # Other parts of the fake (HLS, packaging of IP) add commands here: every file extend_*.tcl.
    variable home
    foreach file [lsort [glob -nocomplain -directory $home extend_*.tcl]] {
        source $file
    }
}

proc fake::keep_log {path} {
    # From now on, what goes to standard output goes into the log, too.
    variable log
    set log [open $path w]
    rename ::puts ::fake::plain_puts
    proc ::puts {args} {
        fake::plain_puts {*}$args
        if {[llength $args] == 1 || [lindex $args end-1] in {stdout -nonewline}} {
            fake::plain_puts {*}[expr {[lindex $args 0] eq "-nonewline" ? "-nonewline" : {}}] $fake::log [lindex $args end]
            flush $fake::log
        }
    }
}

proc fake::share_output {interpreter} {
    # The script's `puts` to standard output goes the same way; its own files are its own.
    interp alias $interpreter shared_puts {} ::puts
    interp eval $interpreter {
        rename puts plain_puts
        proc puts {args} {
            if {[llength $args] == 1 || [lindex $args end-1] in {stdout -nonewline}} {
                return [shared_puts {*}$args]
            }
            return [plain_puts {*}$args]
        }
    }
}

proc fake::banner {} {
    variable version
    puts "\n****** Vivado v$version (64-bit)"
    puts "  **** SW Build 5239630 on Fri Nov 08 22:34:34 MST 2024"
    puts "  **** IP Build 5239520 on Sun Nov 10 16:12:51 MST 2024"
    puts "    ** Copyright 1986-2022 Xilinx, Inc. All Rights Reserved."
    puts "    ** Copyright 2022-2024 Advanced Micro Devices, Inc. All Rights Reserved.\n"
    flush stdout
}

if {[file tail $argv0] eq "vivado.tcl"} {
    fake::main $argv
}
