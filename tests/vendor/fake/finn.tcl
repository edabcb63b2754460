# What FINN's scripts need of a Vivado beside what ours need: project runs, module references,
# hierarchies, ports made of pins, and the IP packager.
#
# Sources. Commands: UG835, and UG1118 (Creating and Packaging Custom IP) for ipx::. Their use and
# the files that must be there: finn-plus 1.6.1, create_stitched_ip.py, make_zynq_proj.py,
# templates.py, post_synth_res.py. IP-XACT: IEEE 1685-2009.

known create_bd_pin {-from= -to= -type= -dir=I|O|IO} 1 1
known create_bd_intf_pin {-vlnv= -mode=Master|Slave} 1 1
known get_bd_intf_nets {-regexp -hierarchical -filter= -of_objects= -nocase -boundary_type=upper|lower|both} 0 1
known write_xdc {-no_fixed_only -constraints= -cell= -sdc -no_tool_comments -force -exclude_timing -exclude_physical -add_netlist_placement -logic_function_stripped -type= -write_cached} 0 1
known ipx::package_project {-root_dir= -vendor= -library= -taxonomy= -module= -import_files -force -generated_files -name= -version= -set_current=} 0 1
known ipx::current_core {} 0 1
known ipx::find_open_core {} 1 1
known ipx::create_xgui_files {} 1 1
known ipx::get_bus_interfaces {-of_objects= -filter=} 0 1
known ipx::get_bus_parameters {-of_objects= -filter=} 0 1
known ipx::get_address_spaces {-of_objects= -filter=} 0 1
known ipx::remove_segment {} 2 2
known ipx::get_file_groups {-of_objects= -filter=} 0 1
known ipx::add_file_group {-type=} 1 2
known ipx::remove_file_group {} 2 2
known ipx::remove_all_file {} 1 1
known ipx::add_file {} 2 2
known ipx::remove_file {} 2 2
known ipx::get_files {-of_objects= -filter=} 0 2
known ipx::add_memory_map {} 2 2
known ipx::add_address_block {} 2 2
known ipx::update_checksums {} 1 1
known ipx::save_core {} 1 1

namespace eval do::ipx {}

proc fake::shortened {name args} {
    # Vivado takes any unique beginning of an option: FINN writes -of for -of_objects.
    variable table
    set allowed [lindex [dict get $table $name] 0]
    set words [lmap word $args {
        set fitting [lmap option [dict keys $allowed] {expr {[string match $word* $option] ? $option : [continue]}}]
        expr {[regexp {^-[A-Za-z]} $word] && ![dict exists $allowed $word] && [llength $fitting] == 1 ? $fitting : $word}
    }]
    return [call $name {*}$words]
}

foreach name [dict keys $fake::table] {
    interp alias $finn_interpreter $name {} fake::shortened $name
}

# ---- projects on disk

proc files::sources {} {
    variable project
    return [file join [pwd] [expr {$project eq "" ? ".srcs" : "$project.srcs"}] sources_1 bd]
}

proc files::generated {} {
    variable project
    return [file join [pwd] [expr {$project eq "" ? ".gen" : "$project.gen"}] sources_1 bd]
}

rename do::create_project finn_create_project
proc do::create_project {given words} {
    set found [finn_create_project $given $words]
    foreach name {synth_1 impl_1} {
        object::make run $name [list NAME $name PROGRESS 0% STATUS "Not started"]
    }
    return $found
}

proc do::get_runs {given words} {
    return [object::named run [expr {$words eq {} ? "*" : [lindex $words 0]}]]
}

proc do::launch_runs {given words} {
    set runs [concat {*}$words]
    foreach name $runs {
        if {![object::exists $name]} {
            fake::fail {Vivado 12-1007} "No runs matched '$name'"
        }
        if {$name eq "impl_1"} {
            finn::synthesise
            finn::implement [expr {[dict exists $given -to_step] ? [dict get $given -to_step] : "route_design"}]
        } else {
            finn::synthesise
        }
    }
    fake::say INFO {Vivado 12-4149} "The synthesis checkpoint is written."
    return $runs
}

proc do::wait_on_run {given words} {
    puts "\[[clock format 0 -gmt 1]\] [lindex $words 0] finished"
}

proc do::open_run {given words} {
    set name [lindex $words 0]
    if {[object::get $name PROGRESS] ne "100%"} {
        fake::fail {Common 17-69} "Command failed: Run '$name' has not been launched. Unable to open"
    }
    puts "open_run $name"
    return $name
}

# ---- the design that FINN's block designs stand for

namespace eval finn {variable core ""}

proc finn::synthesise {} {
    # The tree of a block design: its wrapper, its cells, and what is inside of packaged ones.
    failures::at synth_design
    netlist::license Synthesis
    set top [object::get sources_1 TOP top_wrapper]
    set design $block::current
    set rows {}
    foreach cell [lsort [object::all bd_cell]] {
        if {[llength [split $cell /]] == 2} {
            lappend rows {*}[cell_rows $cell 2]
        }
    }
    set sum {8 12 0 0}
    foreach row $rows {
        if {[lindex $row 0] == 2} {
            set sum [lmap a $sum b [lrange $row 3 end] {expr {$a + $b}}]
        }
    }
    set tree [list [list 0 "" (top) {*}$sum] [list 1 ${design}_i $design {*}$sum] {*}$rows]
    set netlist::state [dict create stage synthesised top $top part [object::get project PART] \
        hertz [clock_hertz] tree $tree files [dict create]]
    object::make design $top [list NAME $top PART [object::get project PART]]
    object::put synth_1 PROGRESS 100%
    puts "synth_design completed successfully"
}

proc finn::clock_hertz {} {
    foreach port [object::all bd_port] {
        if {[object::has $port CONFIG.FREQ_HZ]} {
            return [object::get $port CONFIG.FREQ_HZ]
        }
    }
    foreach pin [object::all bd_pin] {
        if {[string match */clk_out1 $pin]} {
            return [object::get $pin CONFIG.FREQ_HZ]
        }
    }
    return [netlist::hertz]
}

proc finn::cell_rows {cell depth} {
    # {depth path module lut ff ramb18 dsp} of a cell and of what it holds.
    set name [string range $cell 1 end]
    set inner {}
    foreach other [lsort [object::all bd_cell]] {
        if {[string match $cell/* $other] && [llength [split $other /]] == [llength [split $cell /]] + 1} {
            lappend inner {*}[cell_rows $other [expr {$depth + 1}]]
        }
    }
    set own [own $cell]
    set packaged [object::get $cell TREE]
    if {$packaged ne {}} {
        # Vivado has an instance `inst` between an IP and its design
        set sum {0 0 0 0}
        foreach row $packaged {
            if {[lindex $row 0] == 2} {
                set sum [lmap a $sum b [lrange $row 3 end] {expr {$a + $b}}]
            }
        }
        lappend inner [list [expr {$depth + 1}] $name/inst [object::get $cell IP_NAME] {*}$sum]
    }
    foreach row $packaged {
        lappend inner [lreplace $row 0 1 [expr {$depth + [lindex $row 0]}] $name/inst/[lindex $row 1]]
    }
    set sum $own
    foreach row $inner {
        if {[lindex $row 0] == $depth + 1} {
            set sum [lmap a $sum b [lrange $row 3 end] {expr {$a + $b}}]
        }
    }
    foreach entry [fake::values resource] {
        if {[lindex $entry 0] eq [file tail $cell]} {
            set sum [lrange $entry 1 4]
        }
    }
    return [list [list $depth $name [object::get $cell IP_NAME [file tail $cell]] {*}$sum] {*}$inner]
}

proc finn::own {cell} {
    # LUTs and FFs that grow with the widths of a cell's streams.
    set bits 0
    foreach pin [object::all bd_intf_pin] {
        if {[object::get $pin CELL] eq $cell} {
            set bytes [object::get $pin CONFIG.TDATA_NUM_BYTES 4]
            incr bits [expr {[string is integer -strict $bytes] ? 8 * $bytes : 32}]
        }
    }
    return [list [expr {20 + 2 * $bits}] [expr {16 + 3 * $bits}] 0 0]
}

proc finn::implement {to} {
    do::opt_design {} {}
    do::place_design {} {}
    do::route_design {} {}
    set folder [file join $files::project.runs impl_1]
    file mkdir $folder
    set top [dict get $netlist::state top]
    do::report_timing_summary [dict create -file [file join $folder ${top}_timing_summary_routed.rpt]] {}
    do::report_power [dict create -file [file join $folder ${top}_power_routed.rpt]] {}
    do::write_checkpoint [dict create -force 1] [list [file join $folder ${top}_routed.dcp]]
    object::put impl_1 PROGRESS 100%
    if {$to eq "write_bitstream"} {
        do::write_bitstream [dict create -force 1] [list [file join $folder $top.bit]]
    }
}

proc do::write_verilog {given words} {
    netlist::require synthesised
    files::write_text [lindex $words 0] "// [dict get $netlist::state top], as a stub\n"
    return [lindex $words 0]
}

proc do::write_xdc {given words} {
    netlist::require synthesised
    files::write_text [lindex $words 0] "# constraints of [dict get $netlist::state top]\n"
    return [lindex $words 0]
}

rename do::make_wrapper finn_make_wrapper
proc do::make_wrapper {given words} {
    # Beside the wrapper, the handoff: a project generates its block designs by itself.
    set name [file rootname [file tail [dict get $given -files]]]
    set folder [file join [files::generated] $name]
    foreach part {hdl hw_handoff} {
        file mkdir [file join $folder $part]
    }
    # Vivado has moved the wrapper from .srcs to .gen; FINN adds it by the first name and then looks
    # for either, so it lies in both
    foreach place [list [files::sources] [files::generated]] {
        file mkdir [file join $place $name hdl]
        files::write_text [file join $place $name hdl ${name}_wrapper.v] [files::module ${name}_wrapper]
    }
    files::write_text [file join $folder hw_handoff $name.hwh] [files::handoff $name]
    if {[dict exists $given -import]} {
        object::put sources_1 TOP ${name}_wrapper
    }
    return [file join $folder hdl ${name}_wrapper.v]
}

# ---- cells: modules of Verilog, hierarchies, packaged IPs

rename do::create_bd_cell finn_create_bd_cell
proc do::create_bd_cell {given words} {
    if {![dict exists $given -reference]} {
        set cell [finn_create_bd_cell $given $words]
        if {[object::get $cell PACKAGED 0]} {
            object::put $cell TREE [finn::saved_tree [object::get $cell VLNV]]
        }
        return $cell
    }
    block::require
    set name /[string trimleft [lindex $words 0] /]
    set module [dict get $given -reference]
    set text [finn::module_text $module]
    if {$text eq ""} {
        fake::fail {filemgmt 56-195} "Module '$module' is not found: the reference of the cell '$name' is invalid."
    }
    object::make bd_cell $name [list NAME [string trimleft $name /] TYPE module REFERENCE $module PACKAGED 1]
    finn::module_pins $name $text
    return $name
}

proc finn::module_text {module} {
    foreach path $files::verilog {
        set file [open $path]
        set text [read $file]
        close $file
        if {[regexp "\\ymodule\\s+$module\\y" $text]} {
            regsub -all {//[^\n]*} $text {} text
            return $text
        }
    }
    return ""
}

proc finn::module_pins {cell text} {
    # Streams by the names of their wires, as Vivado infers them; clocks and resets by theirs.
    set streams [dict create]
    set lite 0
    regexp {\ymodule\s+\w+(.*?)\yendmodule} $text -> text
    foreach {_ way range name} [regexp -all -inline {\y(input|output)\s+(?:(?:wire|reg|logic)\s+)?(\[[^\]]*\]\s*)?(\w+)} $text] {
        if {[regexp -nocase {^(.*)_tvalid$} $name -> stream]} {
            dict set streams $stream [expr {$way eq "output" ? "Master" : "Slave"}]
        } elseif {[regexp -nocase {^s_axilite_awvalid$} $name]} {
            set lite 1
        } elseif {[regexp -nocase {^ap_clk|^clk} $name]} {
            object::make bd_pin $cell/$name [list NAME $name DIR I TYPE clk CELL $cell]
        } elseif {[regexp -nocase {rst_n$} $name]} {
            object::make bd_pin $cell/$name [list NAME $name DIR I TYPE rst CELL $cell]
        } elseif {![regexp -nocase {_(tdata|tready|tlast|tkeep)$|^s_axilite_} $name]} {
            object::make bd_pin $cell/$name [list NAME $name DIR [expr {$way eq "output" ? "O" : "I"}] TYPE data CELL $cell]
        }
    }
    dict for {stream mode} $streams {
        object::make bd_intf_pin $cell/$stream [list NAME $stream MODE $mode CELL $cell CLOCK ap_clk CONFIG.PROTOCOL AXIS CONFIG.DATA_WIDTH 0]
    }
    if {$lite} {
        object::make bd_intf_pin $cell/s_axilite [list NAME s_axilite MODE Slave CELL $cell CLOCK ap_clk CONFIG.PROTOCOL AXI4LITE CONFIG.DATA_WIDTH 32]
    }
}

proc do::create_bd_pin {given words} {
    set name /[string trimleft [lindex $words 0] /]
    set type [expr {[dict exists $given -type] ? [dict get $given -type] : "data"}]
    # seen from inside a hierarchy, an input gives: so no cell of this name owns it
    return [object::make bd_pin $name [list NAME [file tail $name] DIR [dict get $given -dir] TYPE hier_$type CELL [file dirname $name]]]
}

proc do::create_bd_intf_pin {given words} {
    set name /[string trimleft [lindex $words 0] /]
    return [object::make bd_intf_pin $name [list NAME [file tail $name] MODE [dict get $given -mode] HIER 1 CELL [file dirname $name] CONFIG.PROTOCOL AXIS CONFIG.DATA_WIDTH 0]]
}

rename do::connect_bd_intf_net finn_connect_bd_intf_net
proc do::connect_bd_intf_net {given words} {
    # A pin of a hierarchy has two sides: inside of it, its mode is the other one.
    set ends [concat {*}$words]
    set hier [lmap end $ends {object::get $end HIER 0}]
    if {"1" ni $hier || [llength $ends] != 2} {
        return [finn_connect_bd_intf_net $given $words]
    }
    lassign $ends one two
    set within [expr {[string match [object::get $one CELL]/* $two] || [string match [object::get $two CELL]/* $one]}]
    set same [expr {[object::get $one MODE] eq [object::get $two MODE]}]
    if {$within != $same} {
        fake::fail {BD 41-171} "The modes of the interface pins '$one' and '$two' are incompatible for connection."
    }
    lappend block::intf_nets $ends
    return ""
}

# ---- ports made of pins

rename files::interface_ports finn_interface_ports
proc files::interface_ports {port} {
    if {[object::get $port CONFIG.PROTOCOL] ne "AXIS"} {
        return [finn_interface_ports $port]
    }
    set ways [expr {[object::get $port MODE] eq "Master" ? {output input} : {input output}}]
    set name [object::get $port NAME]
    return [list "[lindex $ways 0] ${name}_tdata" "[lindex $ways 0] ${name}_tvalid" "[lindex $ways 1] ${name}_tready"]
}

proc do::make_bd_pins_external {given words} {
    foreach pin [concat {*}$words] {
        set port /[object::get $pin NAME]_0
        set type [string map {hier_ {}} [object::get $pin TYPE]]
        object::make bd_port $port [list NAME [object::get $pin NAME]_0 DIR [object::get $pin DIR] TYPE $type]
        if {$type eq "clk"} {
            object::put $port CONFIG.FREQ_HZ 100000000
        }
        block::join_ends nets [list $port $pin]
    }
}

proc do::make_bd_intf_pins_external {given words} {
    foreach pin [concat {*}$words] {
        set name [object::get $pin NAME]_0
        if {[object::exists /$name]} {
            set name [object::get $pin NAME]_1
        }
        set protocol [object::get $pin CONFIG.PROTOCOL]
        object::make bd_intf_port /$name [list NAME $name MODE [object::get $pin MODE] VLNV xilinx.com:interface:axis_rtl:1.0 \
            CONFIG.PROTOCOL $protocol CONFIG.DATA_WIDTH [object::get $pin CONFIG.DATA_WIDTH 0] CONFIG.ID_WIDTH 0 \
            CONFIG.ADDR_WIDTH [object::get $pin CONFIG.ADDR_WIDTH 32] OF $pin]
        lappend block::intf_nets [list $pin /$name]
    }
}

rename do::set_property finn_set_property
proc do::set_property {given words} {
    # Renames a port; all else as before. Properties of a packaged core are taken as they come.
    lassign $words key value names
    if {![dict exists $given -dict] && ![dict exists $given -name] && [string tolower $key] eq "name" && [object::kind $names] in {bd_port bd_intf_port}} {
        set new /$value
        object::make [object::kind $names] $new [dict get $object::properties $names]
        object::put $new NAME $value
        foreach list {nets intf_nets} {
            set block::$list [lmap net [set block::$list] {lmap end $net {expr {$end eq $names ? $new : $end}}}]
        }
        object::forget $names
        return ""
    }
    if {[lindex $words end] eq ""} {
        return ""
    }
    return [finn_set_property $given $words]
}

rename do::get_bd_intf_nets finn_get_bd_intf_nets
proc do::get_bd_intf_nets {given words} {
    if {![dict exists $given -of_objects]} {
        return [finn_get_bd_intf_nets $given $words]
    }
    set found {}
    set k 0
    foreach net $block::intf_nets {
        if {[dict get $given -of_objects] in $net} {
            lappend found [object::make bd_intf_net net_$k [list NAME net_$k ENDS $net]]
        }
        incr k
    }
    return $found
}

rename do::get_bd_intf_pins finn_get_bd_intf_pins
proc do::get_bd_intf_pins {given words} {
    if {[dict exists $given -of_objects] && [object::kind [dict get $given -of_objects]] eq "bd_intf_net"} {
        return [object::get [dict get $given -of_objects] ENDS]
    }
    return [finn_get_bd_intf_pins $given $words]
}

# ---- the IP packager

proc do::ipx::package_project {given words} {
    set root [dict get $given -root_dir]
    set name [dict get $given -module]
    file mkdir $root
    set finn::core [dict get $given -vendor]:[dict get $given -library]:$name:1.0
    object::make core $finn::core [list NAME $name ROOT $root]
    finn::save
    if {[dict exists $netlist::state tree]} {
        set tree [dict get $netlist::state tree]
    } else {
        finn::synthesise
        set tree [dict get $netlist::state tree]
    }
    # for designs that hold this one: its rows below the wrapper
    set rows [lmap row $tree {expr {[lindex $row 0] >= 1 ? $row : [continue]}}]
    files::write_text [file join $root fake_tree.txt] $rows
    fake::say INFO {IP_Flow 19-5654} "Module '$name' uses SystemVerilog sources with a Verilog top file."
    return $finn::core
}

proc finn::saved_tree {vlnv} {
    # The rows of a packaged design; none for an IP of HLS.
    foreach folder [object::get project IP_REPO_PATHS] {
        set path [file join $folder fake_tree.txt]
        if {[file exists $path] && [file exists [file join $folder component.xml]]} {
            set file [open [file join $folder component.xml]]
            set text [read $file]
            close $file
            if {[string first "<spirit:name>[lindex [split $vlnv :] 2]</spirit:name>" $text] >= 0} {
                set file [open $path]
                set rows [read $file]
                close $file
                return [lrange $rows 1 end]
            }
        }
    }
    return {}
}

proc finn::save {} {
    # component.xml: the ports of the block design as interfaces.
    variable core
    lassign [split $core :] vendor library name version
    set interfaces ""
    foreach port [object::all bd_port] {
        set type [dict get {clk clock rst reset} [expr {[object::get $port TYPE] in {clk rst} ? [object::get $port TYPE] : "rst"}]]
        if {[object::get $port TYPE] in {clk rst}} {
            append interfaces "<spirit:busInterface><spirit:name>[object::get $port NAME]</spirit:name><spirit:busType spirit:vendor=\"xilinx.com\" spirit:library=\"signal\" spirit:name=\"$type\" spirit:version=\"1.0\"/><spirit:slave/></spirit:busInterface>\n"
        }
    }
    foreach port [object::all bd_intf_port] {
        set protocol [object::get $port CONFIG.PROTOCOL]
        set type [expr {$protocol in {AXI4 AXI4LITE AXI3} ? "aximm" : "axis"}]
        set parameters ""
        foreach key {DATA_WIDTH ADDR_WIDTH PROTOCOL} {
            append parameters "<spirit:parameter><spirit:name>$key</spirit:name> <spirit:value>[object::get $port CONFIG.$key]</spirit:value></spirit:parameter>"
        }
        append interfaces "<spirit:busInterface><spirit:name>[object::get $port NAME]</spirit:name><spirit:busType spirit:vendor=\"xilinx.com\" spirit:library=\"interface\" spirit:name=\"$type\" spirit:version=\"1.0\"/><spirit:[string tolower [object::get $port MODE]]/><spirit:parameters>$parameters</spirit:parameters></spirit:busInterface>\n"
    }
    files::write_text [file join [object::get $core ROOT] component.xml] "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<spirit:component xmlns:spirit=\"http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009\">\n<spirit:vendor>$vendor</spirit:vendor>\n<spirit:library>$library</spirit:library>\n<spirit:name>$name</spirit:name>\n<spirit:version>$version</spirit:version>\n<spirit:busInterfaces>\n$interfaces</spirit:busInterfaces>\n<spirit:fileSets>\n<spirit:fileSet>\n<spirit:name>xilinx_anylanguagesynthesis_view_fileset</spirit:name>\n</spirit:fileSet>\n</spirit:fileSets>\n</spirit:component>\n"
}

proc finn::require_core {} {
    variable core
    if {$core eq ""} {
        fake::fail {IP_Flow 19-3505} "IP Packager: there is no current core."
    }
    return $core
}

proc do::ipx::current_core {given words} {return [finn::require_core]}

proc do::ipx::find_open_core {given words} {
    if {[lindex $words 0] ne [finn::require_core]} {
        fake::fail {IP_Flow 19-3505} "No open core matches '[lindex $words 0]'."
    }
    return [lindex $words 0]
}

proc do::ipx::save_core {given words} {finn::require_core; finn::save}
proc do::ipx::add_file_group {given words} {
    return [object::make file_group [lindex $words 0]_group [list NAME [lindex $words 0]]]
}
proc do::ipx::get_file_groups {given words} {
    finn::require_core
    return [object::make file_group [lindex $words 0]_group [list NAME [lindex $words 0]]]
}
proc do::ipx::add_file {given words} {
    set path [file join [object::get [finn::require_core] ROOT] [lindex $words 0]]
    if {![file exists $path]} {
        fake::fail {IP_Flow 19-3899} "The file '[lindex $words 0]' is not in the folder of the core."
    }
    return [object::make core_file [lindex $words 0] [list NAME [lindex $words 0]]]
}
proc do::ipx::get_files {given words} {
    set pattern [lindex $words end]
    return [lmap name [object::all core_file] {expr {[string match $pattern $name] ? $name : [continue]}}]
}
proc do::ipx::get_bus_interfaces {given words} {
    return [object::make bus_interface [expr {$words eq {} ? "all" : [lindex $words 0]}]_bus {NAME bus}]
}
proc do::ipx::add_memory_map {given words} {
    return [object::make memory_map [lindex $words 0]_map [list NAME [lindex $words 0]]]
}
proc do::ipx::add_address_block {given words} {
    return [object::make address_block [lindex $words 1]_block [list NAME [lindex $words 0]]]
}
