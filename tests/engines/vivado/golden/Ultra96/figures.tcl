# What both steps need: checkpoints that are whole, and figures asked of Vivado's database. Generated.

proc keep_checkpoint {name} {
    # Under its own name only when it is whole: a killed run resumes at what has its own name.
    write_checkpoint -force $name.partial.dcp
    file rename -force $name.partial.dcp $name.dcp
}

proc write_figures {path layers} {
    # Lines of fields with a tab between them; `layers` is the instance whose children are layers.
    set file [open $path.partial w]
    puts $file "version\t[version -short]"
    foreach clock [get_clocks -quiet] {
        puts $file "clock\t$clock\t[get_property PERIOD $clock]"
    }
    foreach kind {setup hold} {
        foreach found [get_timing_paths -quiet -$kind -max_paths 10 -nworst 1 -no_report_unconstrained] {
            puts $file [join [list path $kind [get_property SLACK $found] [get_property DATAPATH_DELAY $found] \
                [get_property LOGIC_LEVELS $found] [get_property STARTPOINT_PIN $found] [get_property ENDPOINT_PIN $found]] \t]
        }
        set count 0
        set total 0.0
        foreach found [get_timing_paths -quiet -$kind -max_paths 100000 -nworst 1 -slack_lesser_than 0 -no_report_unconstrained] {
            incr count
            set total [expr {$total + [get_property SLACK $found]}]
        }
        puts $file "failing\t$kind\t$count\t[format %.3f $total]"
    }
    # multiplexers and carry chains, which no report counts by instance
    foreach cell [get_cells -quiet -hierarchical -filter {REF_NAME =~ MUXF* || REF_NAME =~ CARRY*}] {
        set type [get_property REF_NAME $cell]
        set at [join [lrange [split $cell /] 0 2] /]
        dict incr counts "$at\t$type"
    }
    if {[info exists counts]} {
        dict for {what count} $counts {
            puts $file "cells\t$what\t$count"
        }
    }
    close $file
    file rename -force $path.partial $path
}
