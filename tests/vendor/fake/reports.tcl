# Reports of the open design, in Vivado's formats.
#
# Utilisation by hierarchy: the header and the indentation are those of Vivado 2019 to 2024 as quoted
# in openpower-cores/a2o and byu-cpe material; `-format xml` as FINN's post_synth_res.py reads it.
# Timing summary and power: as in the reports of RedPitaya/RedPitaya-FPGA and Xilinx/finn.

proc netlist::slack {} {
    variable state
    variable delays
    set period [expr {1e9 / [dict get $state hertz]}]
    foreach {prefix delay} $delays {
        if {[string match $prefix* [dict get $state part]]} {
            set delay [fake::option delay_ns $delay]
            set more [expr {[dict get $state stage] eq "routed" ? 0.3 : 0.0}]
            return [format %.3f [expr {$period - $delay - $more}]]
        }
    }
}

proc netlist::header {command} {
    variable state
    return "Copyright 1986-2022 Xilinx, Inc. All Rights Reserved. Copyright 2022-2024 Advanced Micro Devices, Inc. All Rights Reserved.\n[string repeat - 80]\n| Tool Version : Vivado v.$fake::version (lin64) Build 5239630 Fri Nov 08 22:34:34 MST 2024\n| Date         : Thu Jan  1 00:00:00 1970\n| Command      : $command\n| Design       : [dict get $state top]\n| Device       : [dict get $state part]\n| Design State : [string totitle [dict get {synthesised Synthesized optimised Optimized placed {Physopt postPlace} routed Routed} [dict get $state stage]]]\n[string repeat - 80]\n"
}

proc netlist::give {given text} {
    if {[dict exists $given -file]} {
        files::write_text [dict get $given -file] $text
    }
    if {[dict exists $given -return_string]} {
        return $text
    }
    return ""
}

# ---- utilisation

proc netlist::columns {} {
    variable state
    set dsp [expr {[string match xc7* [dict get $state part]] ? "DSP Blocks" : "DSP Blocks"}]
    return [list Instance Module "Total LUTs" "Logic LUTs" LUTRAMs SRLs FFs RAMB36 RAMB18 {*}[expr {[string match xc7* [dict get $state part]] ? {} : "URAM"}] $dsp]
}

proc netlist::rows {depth} {
    variable state
    set found {}
    set level 0
    foreach entry [dict get $state tree] {
        lassign $entry at path module lut ff ramb18 dsp
        if {$at eq "own"} {
            if {$level + 1 > $depth} continue
            set name "[string repeat {  } [expr {$level + 1}]]([expr {$path eq {} ? [dict get $state top] : [file tail $path]}])"
        } else {
            set level $at
            if {$level > $depth} continue
            set name "[string repeat {  } $level][expr {$path eq {} ? [dict get $state top] : [file tail $path]}]"
        }
        set shown [expr {$path eq "" ? "(top)" : $module}]
        set uram [expr {[string match xc7* [dict get $state part]] ? {} : 0}]
        lappend found [list $name $shown $lut $lut 0 0 $ff [expr {$ramb18 / 2}] [expr {$ramb18 % 2}] {*}$uram $dsp]
    }
    return $found
}

proc do::report_utilization {given words} {
    netlist::require synthesised
    set depth [expr {[dict exists $given -hierarchical_depth] ? [dict get $given -hierarchical_depth] : 99}]
    set rows [netlist::rows $depth]
    set columns [netlist::columns]
    if {[dict exists $given -format]} {
        return [netlist::give $given [netlist::xml $columns $rows]]
    }
    if {![dict exists $given -hierarchical]} {
        return [netlist::give $given "[netlist::header report_utilization]\nUtilization Design Information\n"]
    }
    set widths {}
    for {set k 0} {$k < [llength $columns]} {incr k} {
        lappend widths [lindex [lsort -integer [lmap row [linsert $rows 0 $columns] {string length [lindex $row $k]}]] end]
    }
    set rule +[join [lmap width $widths {string repeat - [expr {$width + 2}]}] +]+
    set lines [list $rule [netlist::line $columns $widths 1] $rule]
    foreach row $rows {
        lappend lines [netlist::line $row $widths 0]
    }
    lappend lines $rule "* Note: The sum of lower-level cells may be larger than their parent cells total, due to cross-hierarchy LUT combining"
    return [netlist::give $given "[netlist::header "report_utilization -hierarchical"]\nUtilization Design Information\n\nTable of Contents\n-----------------\n1. Utilization by Hierarchy\n\n1. Utilization by Hierarchy\n---------------------------\n\n[join $lines \n]\n\n\n"]
}

proc netlist::line {row widths heading} {
    set cells {}
    set k 0
    foreach cell $row width $widths {
        if {$heading} {
            set left [expr {($width - [string length $cell]) / 2}]
            lappend cells [format %-${width}s [string repeat " " $left]$cell]
        } else {
            lappend cells [format %[expr {$k ? "" : "-"}]${width}s $cell]
        }
        incr k
    }
    return "| [join $cells { | }] |"
}

proc netlist::xml {columns rows} {
    set text "<?xml version=\"1.0\"?>\n<RptDoc>\n<section title=\"Utilization by Hierarchy\">\n<table>\n<tablerow class=\"\" suppressoutput=\"0\" wordwrap=\"0\">\n"
    foreach cell $columns {
        append text "  <tableheader class=\"\" contents=\"$cell\" halign=\"3\" width=\"-1\"/>\n"
    }
    append text "</tablerow>\n"
    foreach row $rows {
        append text "<tablerow class=\"\" suppressoutput=\"0\" wordwrap=\"0\">\n"
        foreach cell $row {
            append text "  <tablecell class=\"\" contents=\"$cell\" halign=\"2\" width=\"-1\"/>\n"
        }
        append text "</tablerow>\n"
    }
    return "$text</table>\n</section>\n</RptDoc>\n"
}

# ---- timing

proc do::get_timing_paths {given words} {
    # The paths end in the layers, one after the other: the worst one in the largest.
    netlist::require synthesised
    set hold [expr {[dict exists $given -hold] || ([dict exists $given -delay_type] && [dict get $given -delay_type] eq "min")}]
    set worst [expr {$hold ? 0.028 : [netlist::slack]}]
    set most [expr {[dict exists $given -max_paths] ? [dict get $given -max_paths] : 1}]
    set layers {}
    foreach entry [dict get $netlist::state tree] {
        lassign $entry depth path module lut
        if {$depth ne "own" && [regexp {/network/[^/]+$} $path]} {
            lappend layers [list $lut $path]
        }
    }
    set layers [lsort -integer -decreasing -index 0 $layers]
    if {$layers eq {}} {
        set layers [list [list 0 [dict get $netlist::state top]]]
    }
    set found {}
    for {set k 0} {$k < min($most, 20)} {incr k} {
        set slack [format %.3f [expr {$worst + 0.01 * $k}]]
        if {[dict exists $given -slack_lesser_than] && $slack >= [dict get $given -slack_lesser_than]} break
        set path [lindex $layers [expr {$k % [llength $layers]}] 1]
        set period [format %.3f [expr {1e9 / [dict get $netlist::state hertz]}]]
        lappend found [object::make timing_path path_[incr netlist::paths] [list NAME "{from -> to}" CLASS timing_path \
            SLACK $slack STARTPOINT_PIN $path/sum_reg\[$k\]/C ENDPOINT_PIN $path/level_reg\[$k\]/D \
            REQUIREMENT [expr {$hold ? 0.000 : $period}] DATAPATH_DELAY [format %.3f [expr {$period - $slack}]] \
            DATAPATH_LOGIC_DELAY 1.902 DATAPATH_NET_DELAY 3.898 LOGIC_LEVELS 7 STARTPOINT_CLOCK clk_fpga_0 ENDPOINT_CLOCK clk_fpga_0 GROUP clk_fpga_0]]
    }
    return $found
}

proc do::get_cells {given words} {
    netlist::require synthesised
    set found {}
    foreach entry [dict get $netlist::state tree] {
        lassign $entry depth path module
        foreach pattern [expr {$words eq {} ? "*" : [lindex $words 0]}] {
            if {$depth ne "own" && $path ne "" && [string match $pattern $path]} {
                lappend found [object::make cell $path [list NAME $path REF_NAME $module IS_PRIMITIVE 0]]
            }
        }
    }
    foreach {path count} [fake::option carries {}] {
        for {set k 0} {$k < $count} {incr k} {
            lappend found [object::make cell $path/sum_carry_$k [list NAME $path/sum_carry_$k REF_NAME CARRY4 IS_PRIMITIVE 1]]
        }
    }
    return [object::filtered $found [expr {[dict exists $given -filter] ? [dict get $given -filter] : ""}]]
}

proc do::get_clocks {given words} {
    netlist::require synthesised
    set period [format %.3f [expr {1e9 / [dict get $netlist::state hertz]}]]
    return [list [object::make clock clk_fpga_0 [list NAME clk_fpga_0 PERIOD $period]]]
}

proc do::report_route_status {given words} {
    netlist::require routed
    return [netlist::give $given "Design Route Status\n  # of nets with routing errors.......... :           0 :\n"]
}

proc do::report_timing_summary {given words} {
    netlist::require synthesised
    set wns [netlist::slack]
    set bad [expr {$wns < 0}]
    set text "[netlist::header report_timing_summary]\nTiming Summary Report\n\n"
    append text "------------------------------------------------------------------------------------------------\n| Design Timing Summary\n| ---------------------\n------------------------------------------------------------------------------------------------\n\n"
    append text "    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  THS Failing Endpoints  THS Total Endpoints     WPWS(ns)     TPWS(ns)  TPWS Failing Endpoints  TPWS Total Endpoints  \n"
    append text "    -------      -------  ---------------------  -------------------      -------      -------  ---------------------  -------------------     --------     --------  ----------------------  --------------------  \n"
    append text [format "%11.3f  %11.3f  %21d  %19d  %11.3f  %11.3f  %21d  %19d  %11.3f  %11.3f  %22d  %20d  \n" $wns [expr {$bad ? 20 * $wns : 0.0}] [expr {$bad ? 20 : 0}] 9320 0.028 0.0 0 9320 3.750 0.0 0 4210]
    append text "\n\n[expr {$bad ? {Timing constraints are not met.} : {All user specified timing constraints are met.}}]\n\n\n"
    append text "------------------------------------------------------------------------------------------------\n| Clock Summary\n| -------------\n------------------------------------------------------------------------------------------------\n\n"
    set period [expr {1e9 / [dict get $netlist::state hertz]}]
    append text "Clock       Waveform(ns)       Period(ns)      Frequency(MHz)\n-----       ------------       ----------      --------------\n"
    append text [format "clk_fpga_0  {0.000 %.3f}      %.3f          %.3f\n\n" [expr {$period / 2}] $period [expr {1e3 / $period}]]
    return [netlist::give $given $text]
}

# ---- power and checks

proc do::report_power {given words} {
    netlist::require synthesised
    set lut [lindex [dict get $netlist::state tree] 0 3]
    set dynamic [format %.3f [expr {1.25 + 2e-5 * $lut}]]
    set total [format %.3f [expr {$dynamic + 0.141}]]
    set text "[netlist::header report_power]\nPower Report\n\n1. Summary\n----------\n\n+--------------------------+--------------+\n"
    foreach {name value} [list "Total On-Chip Power (W)" $total "Design Power Budget (W)" Unspecified* "Power Budget Margin (W)" NA \
        "Dynamic (W)" $dynamic "Device Static (W)" 0.141 "Effective TJA (C/W)" 11.5 "Max Ambient (C)" 68.9 \
        "Junction Temperature (C)" 41.1 "Confidence Level" Medium "Setting File" --- "Simulation Activity File" --- "Design Nets Matched" NA] {
        append text [format "| %-24s | %-12s |\n" $name $value]
    }
    append text "+--------------------------+--------------+\n* Specify Design Power Budget using, set_operating_conditions -design_power_budget <value in Watts>\n"
    return [netlist::give $given $text]
}

proc do::report_drc {given words} {
    netlist::require synthesised
    return [netlist::give $given "[netlist::header report_drc]\nReport DRC\n\n1. REPORT SUMMARY\n-----------------\n            Netlist: netlist\n          Floorplan: design_1\n      Design limits: <entire design considered>\n           Ruledeck: default\n             Max violations: <unlimited>\n             Violations found: 0\n"]
}

proc do::report_methodology {given words} {
    netlist::require synthesised
    return [netlist::give $given "[netlist::header report_methodology]\nReport Methodology\n\n1. REPORT SUMMARY\n-----------------\n             Max violations: <unlimited>\n             Violations found: 0\n"]
}
