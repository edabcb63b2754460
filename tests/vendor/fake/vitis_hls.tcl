# A fake Vitis HLS: `tclsh vitis_hls.tcl <script>` as vitis_hls is called until 2024.2, and
# `tclsh vitis_hls.tcl --mode hls --tcl <script>` as vitis-run is since then (UG1399).
#
# It runs FINN's scripts in a Tcl interpreter whose HLS commands are checked and recorded as those of
# the fake Vivado are. csynth_design reads the C++: the top function, its ports and their pragmas.
# export_design leaves the file tree that FINN and Vivado read: reports, Verilog, a packaged IP.
#
# Sources. Commands and options: Vitis HLS User Guide (UG1399), 2022.2 to 2025.1, Tcl Commands. Paths:
# finn-plus 1.6.1 (hlsbackend.py, hls_synth_res_estimation.py). The log has the manner of public logs
# (issues of Xilinx/finn, fastmachinelearning/hls4ml); the numbers of its errors are not verified.

set argv0 [info script]
source [file join [file dirname [file normalize [info script]]] vivado.tcl]
set fake::table [dict create]

known open_project {-reset -upgrade} 1 1
known open_solution {-flow_target=vivado|vitis -reset} 1 1
known close_project {}
known add_files {-cflags= -csimflags= -tb -blackbox= -desc=} 1 99
known set_top {} 1 1
known set_part {-board=} 1 1
known set_param {} 2 2
known create_clock {-name= -period=} 0 1
known set_clock_uncertainty {} 1 2
known config_compile {-disable_unroll_code_size_check -pipeline_style=stp|flp|frp -name_max_length= -pipeline_loops= -no_signed_zeros -unsafe_math_optimizations -complex-mul-dsp}
known config_interface {-m_axi_addr64 -clock_enable -m_axi_latency= -m_axi_max_widen_bitwidth= -default_slave_interface= -s_axilite_sw_reset}
known config_rtl {-module_auto_prefix -module_prefix= -deadlock_detection=none|sim|hw -reset= -reset_level=low|high -register_all_io}
known config_export {-display_name= -format= -vendor= -library= -version= -ipname=}
known config_storage {-auto_srl_max_bits= -auto_srl_max_depth=} 0 2
known config_op {-impl= -latency= -precision=} 1 1
known csynth_design {-dump_cfg -dump_post_cfg -synthesis_check}
known export_design {-format=ip_catalog|xo|syn_dcp|sysgen -rtl=verilog|vhdl -flow=none|syn|impl -output= -description= -display_name= -ipname= -library= -vendor= -version=}

namespace eval hls {
    variable state [dict create project "" solution "" top "" part "" period 10 files {} flags {}]
}

proc hls::get {key} {
    variable state
    return [dict get $state $key]
}

proc hls::require {key what} {
    if {[get $key] eq ""} {
        fake::fail {HLS 200-101} "'$what': no [dict get {project {project opened} solution {solution opened} top {top function set}} $key]."
    }
}

proc do::open_project {given words} {
    dict set hls::state project [lindex $words 0]
    file mkdir [lindex $words 0]
    fake::say INFO {HLS 200-1510} "Running: open_project [lindex $words 0]"
}

proc do::open_solution {given words} {
    hls::require project open_solution
    dict set hls::state solution [lindex $words 0]
    file mkdir [hls::place]
    fake::say INFO {HLS 200-10} "Creating and opening solution '[file normalize [hls::place]]'."
}

proc do::close_project {given words} {
    dict set hls::state project ""
}

proc do::add_files {given words} {
    hls::require project add_files
    foreach path $words {
        if {![file exists $path]} {
            fake::fail {HLS 200-70} "Cannot find design file '$path'"
        }
        dict lappend hls::state files $path
        fake::say INFO {HLS 200-10} "Adding design file '$path' to the project"
    }
}

proc do::set_top {given words} {
    hls::require project set_top
    dict set hls::state top [lindex $words 0]
}

proc do::set_part {given words} {
    hls::require solution set_part
    set part [lindex $words 0]
    if {$part ni [fake::values part]} {
        fake::fail {HLS 200-1023} "Part '$part' is not installed."
    }
    dict set hls::state part $part
    fake::say INFO {HLS 200-1611} "Setting target device to '$part'"
}

proc do::create_clock {given words} {
    hls::require solution create_clock
    set period [dict get $given -period]
    if {![string is double -strict $period] || $period <= 0} {
        fake::fail {HLS 200-101} "create_clock: illegal period '$period'."
    }
    dict set hls::state period $period
    fake::say INFO {SYN 201-201} "Setting up clock 'default' with a period of ${period}ns."
}

proc hls::place {} {
    return [file join [get project] [get solution]]
}

# ---- what is synthesised

proc hls::source {} {
    set text ""
    foreach path [get files] {
        set file [open $path]
        append text [read $file]
        close $file
    }
    return $text
}

proc hls::plain {text arguments} {
    # The arguments with their types spelled out: aliases resolved, a vector as one ap_uint.
    set aliases [dict create]
    foreach {_ name type} [regexp -all -inline {using\s+(\w+)\s*=\s*([^;]+);} $text] {
        dict set aliases $name $type
    }
    foreach {_ name value} [regexp -all -inline {#define\s+(\w+)\s+(\d+)} $text] {
        dict set aliases $name $value
    }
    for {set k 0} {$k < 5} {incr k} {
        dict for {name type} $aliases {
            regsub -all "\\m$name\\M" $arguments $type arguments
        }
    }
    regsub -all {\s+} $arguments " " arguments
    regsub -all {hls::vector\s*<\s*ap_u?int\s*<\s*(\d+)\s*>\s*,\s*(\d+)\s*>} $arguments {ap_uint<\1*\2>} arguments
    return $arguments
}

proc hls::ports {text} {
    # Of the top function: name, width, and how it is reached (axis, m_axi, s_axilite).
    set top [get top]
    if {![regexp "void\\s+${top}\\s*\\((\[^)\]*)\\)" $text -> arguments]} {
        fake::fail {HLS 200-1715} "Encountered problem during source synthesis: cannot find the top function '$top'"
    }
    set most 1024
    regexp {#define\s+AP_INT_MAX_W\s+(\d+)} $text -> most
    set ways [dict create]
    foreach {_ way port} [regexp -all -inline {#pragma HLS INTERFACE (\w+)[^\n]*port=(\w+)} $text] {
        if {![dict exists $ways $port] || $way eq "m_axi"} {
            dict set ways $port $way
        }
    }
    set found {}
    foreach argument [split [plain $text $arguments] ,] {
        if {![regexp {(\w+)\s*$} $argument -> name]} continue
        set width 32
        if {[regexp {ap_u?int\s*<\s*([\d* ]+?)\s*>} $argument -> product]} {
            set width [expr $product]
            if {$width > $most || $width > 8191} {
                fake::fail {HLS 207-3339} "ap_int width $width of '$name' exceeds AP_INT_MAX_W ($most, at most 8191)"
            }
        }
        if {![dict exists $ways $name]} {
            fake::fail {HLS 214-143} "port '$name' of '$top' has no INTERFACE pragma"
        }
        lappend found [list $name $width [dict get $ways $name]]
    }
    if {![dict exists $ways return]} {
        fake::fail {HLS 214-143} "'$top' has no INTERFACE pragma for its return"
    }
    return $found
}

proc do::csynth_design {given words} {
    hls::require solution csynth_design
    hls::require top csynth_design
    if {[hls::get part] eq ""} {
        fake::fail {HLS 200-101} "csynth_design: no part is set."
    }
    failures::at csynth_design
    set text [hls::source]
    dict set hls::state ports [hls::ports $text]
    fake::say INFO {HLS 200-1510} "Running: csynth_design"
    fake::say INFO {HLS 200-10} "Analyzing design file '[lindex [hls::get files] 0]' ..."
    fake::say INFO {HLS 200-10} "Starting hardware synthesis ..."
    fake::say INFO {HLS 200-10} "-- Generating RTL for module '[hls::get top]'"
    fake::say INFO {HLS 200-789} "**** Estimated Fmax: 136.99 MHz"
    hls::report
}

proc hls::used {} {
    # LUTs and FFs that grow with the ports.
    set bits 0
    foreach port [get ports] {
        incr bits [lindex $port 1]
    }
    return [list [expr {100 + 3 * $bits}] [expr {60 + 4 * $bits}]]
}

proc hls::report {} {
    lassign [used] lut ff
    set folder [file join [place] syn report]
    file mkdir $folder
    set top [get top]
    write [file join $folder ${top}_csynth.xml] "<profile>
<section name = \"Vitis HLS Report for '$top'\" level=\"0\">
<item name = \"Date\">Thu Jan  1 00:00:00 1970
</item>
</section>
<UserAssignments>
<unit>ns</unit>
<ProductFamily>[expr {[string match xc7z* [get part]] ? {zynq} : {zynquplus}}]</ProductFamily>
<Part>[get part]</Part>
<TopModelName>$top</TopModelName>
<TargetClockPeriod>[format %.2f [get period]]</TargetClockPeriod>
</UserAssignments>
<PerformanceEstimates>
<SummaryOfTimingAnalysis>
<unit>ns</unit>
<EstimatedClockPeriod>7.300</EstimatedClockPeriod>
</SummaryOfTimingAnalysis>
</PerformanceEstimates>
<AreaEstimates>
<Resources>
<BRAM_18K>0</BRAM_18K>
<FF>$ff</FF>
<LUT>$lut</LUT>
<DSP>0</DSP>
<URAM>0</URAM>
</Resources>
</AreaEstimates>
</profile>
"
}

proc hls::write {path text} {
    file mkdir [file dirname $path]
    set file [open $path w]
    puts -nonewline $file $text
    close $file
}

# ---- the packaged IP

proc do::export_design {given words} {
    hls::require solution export_design
    if {![dict exists $hls::state ports]} {
        fake::fail {HLS 200-101} "export_design: run csynth_design first."
    }
    failures::at export_design
    set top [hls::get top]
    set verilog [hls::verilog]
    foreach folder {syn/verilog impl/verilog impl/ip/hdl/verilog} {
        hls::write [file join [hls::place] $folder $top.v] $verilog
    }
    hls::write [file join [hls::place] impl ip component.xml] [hls::component]
    fake::say INFO {HLS 200-1510} "Running: export_design -format ip_catalog"
    fake::say INFO {IMPL 213-8} "Exporting RTL as a Vivado IP."
    fake::say INFO {HLS 200-802} "Generated output file [file join [hls::place] impl export.zip]"
}

proc hls::verilog {} {
    lassign [used] lut ff
    set ports {"input ap_clk" "input ap_rst_n"}
    foreach port [get ports] {
        lassign $port name width way
        if {$way eq "axis"} {
            set out [string match out* $name]
            set bits [expr {($width + 7) / 8 * 8}]
            lappend ports "[expr {$out ? {output} : {input}}] \[[expr {$bits - 1}]:0\] ${name}_TDATA" \
                "[expr {$out ? {output} : {input}}] ${name}_TVALID" "[expr {$out ? {input} : {output}}] ${name}_TREADY"
        }
    }
    return "// fake HLS: $lut LUT, $ff FF\nmodule [get top] (\n  [join $ports ",\n  "]\n);\nendmodule\n"
}

proc hls::component {} {
    # IP-XACT (IEEE 1685-2009), as far as a block design reads it.
    set interfaces "[signal ap_clk clock][signal ap_rst_n reset]"
    set control 0
    foreach port [get ports] {
        lassign $port name width way
        switch -- $way {
            axis {
                set mode [expr {[string match out* $name] ? "master" : "slave"}]
                append interfaces [interface $name axis $mode [list TDATA_NUM_BYTES [expr {($width + 7) / 8}]]]
            }
            m_axi {
                append interfaces [interface m_axi_gmem aximm master [list DATA_WIDTH $width ADDR_WIDTH 64]]
                set control 1
            }
            s_axilite {set control 1}
        }
    }
    if {$control} {
        append interfaces [interface s_axi_control aximm slave {DATA_WIDTH 32 ADDR_WIDTH 6 PROTOCOL AXI4LITE}]
    }
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<spirit:component xmlns:xilinx=\"http://www.xilinx.com\" xmlns:spirit=\"http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009\">\n  <spirit:vendor>xilinx.com</spirit:vendor>\n  <spirit:library>hls</spirit:library>\n  <spirit:name>[get top]</spirit:name>\n  <spirit:version>1.0</spirit:version>\n  <spirit:busInterfaces>\n$interfaces  </spirit:busInterfaces>\n</spirit:component>\n"
}

proc hls::signal {name type} {
    return "    <spirit:busInterface>\n      <spirit:name>$name</spirit:name>\n      <spirit:busType spirit:vendor=\"xilinx.com\" spirit:library=\"signal\" spirit:name=\"$type\" spirit:version=\"1.0\"/>\n      <spirit:slave/>\n    </spirit:busInterface>\n"
}

proc hls::interface {name type mode values} {
    set parameters ""
    foreach {key value} $values {
        append parameters "        <spirit:parameter>\n          <spirit:name>$key</spirit:name>\n          <spirit:value>$value</spirit:value>\n        </spirit:parameter>\n"
    }
    return "    <spirit:busInterface>\n      <spirit:name>$name</spirit:name>\n      <spirit:busType spirit:vendor=\"xilinx.com\" spirit:library=\"interface\" spirit:name=\"$type\" spirit:version=\"1.0\"/>\n      <spirit:$mode/>\n      <spirit:parameters>\n$parameters      </spirit:parameters>\n    </spirit:busInterface>\n"
}

# ---- the command line

proc hls::main {words} {
    set new [expr {[lindex $words 0] eq "--mode"}]
    if {$new ? [lrange $words 0 2] ne {--mode hls --tcl} || [llength $words] != 4 : [llength $words] != 1} {
        puts "ERROR: this fake runs only `vitis_hls <script>` and `vitis-run --mode hls --tcl <script>`"
        exit 1
    }
    set script [lindex $words end]
    set fake::calls [open fake_calls.jsonl a]
    puts $fake::calls [fake::json_list [list # [expr {$new ? "vitis-run" : "vitis_hls"}] {*}$words]]
    puts "\n****** Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v$fake::version (64-bit)"
    puts "  **** SW Build 5238294 on Nov  8 2024"
    puts "    ** Copyright 1986-2022 Xilinx, Inc. All Rights Reserved.\n"
    flush stdout
    failures::at start
    interp create hls_script
    foreach name [dict keys $fake::table] {
        interp alias hls_script $name {} fake::call $name
    }
    interp alias hls_script exit {} hls::leave
    interp alias hls_script unknown {} fake::stranger
    if {[catch {interp eval hls_script [list source $script]} message choices]} {
        if {![string match "ERROR: *" $message]} {
            puts $message
        }
        puts "    while executing\n[dict get $choices -errorinfo]"
        hls::leave 1
    }
    hls::leave
}

proc hls::leave {{code 0}} {
    fake::say INFO {HLS 200-112} "Total CPU user time: 21.35 seconds. Total CPU system time: 1.92 seconds. Total elapsed time: 24.02 seconds; peak allocated memory: 1.453 GB."
    exit $code
}

hls::main $argv
