# The project and its files: sources, IP repositories, board files, and what `generate_target` makes.

namespace eval files {
    variable packaged [dict create]
    variable project ""
    variable verilog {}
    variable memories {}
}

object::make project project {NAME "" PART "" BOARD_PART "" TARGET_LANGUAGE Verilog DEFAULT_LIB xil_defaultlib
    BOARD_PART_REPO_PATHS "" IP_REPO_PATHS "" IP_OUTPUT_REPO "" SOURCE_MGMT_MODE All DIRECTORY .}
foreach fileset {sources_1 sim_1 constrs_1} {
    object::make fileset $fileset [list NAME $fileset TOP "" VERILOG_DEFINE "" INCLUDE_DIRS "" GENERIC ""]
}

proc files::sources {} {
    # Where an in-memory project has its block designs is `.srcs`; a project on disk has <name>.srcs.
    variable project
    return [expr {$project eq "" ? ".srcs" : "$project.srcs"}]/sources_1/bd
}

proc files::generated {} {
    variable project
    return [expr {$project eq "" ? ".gen" : "$project.gen"}]/sources_1/bd
}

# ---- the project

proc do::create_project {given words} {
    if {![dict exists $given -in_memory]} {
        set files::project [lindex $words 0]
        object::put project NAME $files::project
    }
    if {[dict exists $given -part]} {
        files::require_part [dict get $given -part]
    }
    return project
}

proc do::set_part {given words} {
    files::require_part [lindex $words 0]
    return [lindex $words 0]
}

proc files::require_part {part} {
    if {$part ni [parts]} {
        fake::fail {Coretcl 2-106} "Specified part could not be found."
    }
    object::put project PART $part
}

proc files::parts {} {
    return [fake::values part]
}

proc do::get_parts {given words} {
    set pattern [expr {$words eq {} ? "*" : [lindex $words 0]}]
    return [lmap part [files::parts] {expr {[string match $pattern $part] ? $part : [continue]}}]
}

proc files::boards {} {
    # board_part names of the board files that lie in this installation and in the repositories.
    set roots [list [file join $fake::home .. data boards board_files]]
    lappend roots {*}[object::get project BOARD_PART_REPO_PATHS] {*}[do::get_param {} board.repoPaths]
    set found {}
    foreach root $roots {
        foreach path [glob -nocomplain [file join $root * board.xml] [file join $root * * board.xml]] {
            set file [open $path]
            set text [read $file]
            close $file
            if {[regexp {<board [^>]*vendor="([^"]+)"[^>]* name="([^"]+)"} $text -> vendor name]
                && [regexp {<file_version>([^<]+)<} $text -> version]} {
                lappend found $vendor:$name:part0:$version
            }
        }
    }
    return [lsort -unique $found]
}

proc do::get_board_parts {given words} {
    set pattern [expr {$words eq {} ? "*" : [lindex $words 0]}]
    return [lmap board [files::boards] {expr {[string match $pattern $board] ? $board : [continue]}}]
}

proc files::require_board {board} {
    if {$board ne "" && $board ni [boards]} {
        fake::fail {Board 49-71} "The board_part definition was not found for $board. The project's board_part property was not set, but the project's part property was set. Valid board_part values can be retrieved with the 'get_board_parts' Tcl command. Check if board.repoPaths parameter is set and the board_part is installed from the tcl app store."
    }
}

proc do::current_project {given words} {return project}
proc do::current_fileset {given words} {return [expr {[dict exists $given -constrset] ? "constrs_1" : "sources_1"}]}
proc do::get_filesets {given words} {return [expr {$words eq {} ? [object::all fileset] : [lindex $words 0]}]}

# ---- files

proc files::require_file {path} {
    if {![file exists $path]} {
        fake::fail {Common 17-69} "Command failed: File '$path' does not exist"
    }
}

proc files::read_in {paths type} {
    variable verilog
    variable memories
    foreach path $paths {
        require_file $path
        object::make file $path [list NAME $path FILE_TYPE $type USED_IN {synthesis implementation}]
        if {$type eq "Verilog" && $path ni $verilog} {
            lappend verilog $path
        }
        if {$type eq "Memory Initialization Files" && $path ni $memories} {
            lappend memories $path
        }
    }
    return $paths
}

proc do::read_verilog {given words} {
    return [files::read_in [concat {*}$words] [expr {[dict exists $given -sv] ? "SystemVerilog" : "Verilog"}]]
}

proc do::read_mem {given words} {return [files::read_in [concat {*}$words] "Memory Initialization Files"]}
proc do::read_xdc {given words} {return [files::read_in [lindex $words 0] XDC]}

proc do::add_files {given words} {
    foreach path [concat {*}$words] {
        set type [dict get {.v Verilog .sv SystemVerilog .xdc XDC .bd "Block Designs"} [file extension $path]]
        files::read_in [list $path] $type
    }
}

proc do::get_files {given words} {
    if {$words eq {}} {
        return [object::all file]
    }
    set found {}
    foreach pattern [lindex $words 0] {
        foreach path [object::all file] {
            if {[string match $pattern $path] || [string match */$pattern $path]} {
                lappend found $path
            }
        }
    }
    if {$found eq {} && ![dict exists $given -quiet]} {
        fake::say WARNING {Vivado 12-818} "No files matched '[lindex $words 0]'"
    }
    return $found
}

# ---- IP

proc do::get_ipdefs {given words} {
    return [files::definitions [lindex $words 0] [expr {[dict exists $given -filter] ? [dict get $given -filter] : ""}]]
}

proc files::definitions {pattern filter} {
    set found [ip::known [expr {$pattern eq "" ? "*" : $pattern}]]
    foreach vlnv $found {
        object::make ipdef $vlnv [list VLNV $vlnv NAME [ip::name $vlnv] DESIGN_TOOL_CONTEXTS {IPI HDL}]
    }
    return [object::filtered $found $filter]
}

proc do::update_ip_catalog {given words} {
    foreach folder [object::get project IP_REPO_PATHS] {
        foreach path [glob -nocomplain [file join $folder component.xml] [file join $folder * component.xml]] {
            files::read_component $path
        }
    }
}

proc files::read_component {path} {
    # Name and interfaces of a packaged IP (IP-XACT, IEEE 1685-2009).
    variable packaged
    set file [open $path]
    set text [read $file]
    close $file
    foreach key {vendor library name version} {
        regexp "<spirit:$key>(\[^<\]*)<" $text -> $key
    }
    set interfaces {}
    foreach {_ body} [regexp -all -inline {<spirit:busInterface>(.*?)</spirit:busInterface>} $text] {
        regexp {<spirit:name>([^<]*)<} $body -> interface
        regexp {<spirit:busType [^>]*spirit:name="([^"]*)"} $body -> type
        set mode [expr {[string first <spirit:master $body] >= 0 ? "Master" : "Slave"}]
        set width 32
        regexp {<spirit:name>DATA_WIDTH</spirit:name>\s*<spirit:value[^>]*>(\d+)<} $body -> width
        set bits 32
        regexp {<spirit:name>ADDR_WIDTH</spirit:name>\s*<spirit:value[^>]*>(\d+)<} $body -> bits
        set protocol AXI4
        regexp {<spirit:name>PROTOCOL</spirit:name>\s*<spirit:value[^>]*>(\w+)<} $body -> protocol
        if {$type eq "axis"} {
            set protocol AXIS
            set width 0
        }
        lappend interfaces [list $interface $type $mode $width $bits $protocol]
    }
    dict set packaged $vendor:$library:$name:$version $interfaces
}

proc files::instantiate {cell vlnv} {
    # The pins, address spaces and segments of a cell with a packaged IP.
    variable packaged
    foreach entry [dict get $packaged $vlnv] {
        lassign $entry name type mode width bits protocol
        switch -- $type {
            clock {object::make bd_pin $cell/$name [list NAME $name DIR I TYPE clk CELL $cell]}
            reset {object::make bd_pin $cell/$name [list NAME $name DIR I TYPE rst CELL $cell]}
            default {
                object::make bd_intf_pin $cell/$name [list NAME $name MODE $mode CELL $cell CLOCK ap_clk \
                    CONFIG.PROTOCOL $protocol CONFIG.DATA_WIDTH $width CONFIG.ADDR_WIDTH $bits]
                if {$type eq "aximm" && $mode eq "Slave"} {
                    object::make bd_addr_seg $cell/$name/Reg0 [list NAME Reg0 RANGE [expr {1 << $bits}]]
                } elseif {$type eq "aximm"} {
                    object::make bd_addr_space $cell/Data_$name [list NAME Data_$name]
                }
            }
        }
    }
}

# ---- what a block design generates

proc do::generate_target {given words} {
    foreach design [lindex $words 1] {
        if {[file extension $design] ne ".bd"} continue
        set name [file rootname [file tail $design]]
        set folder [file join [files::generated] $name]
        foreach part {synth hdl hw_handoff} {
            file mkdir [file join $folder $part]
        }
        files::write_text [file join $folder synth $name.v] [files::module $name]
        files::write_text [file join $folder hw_handoff $name.hwh] [files::handoff $name]
        fake::say INFO {BD 41-1029} "Generation completed for the IP Integrator block ."
    }
    return ""
}

proc files::write_text {path text} {
    set file [open $path w]
    puts -nonewline $file $text
    close $file
}

proc files::module {name} {
    # The Verilog module of the block design: its ports, as Vivado names them.
    set ports {}
    foreach port [object::all bd_port] {
        set way [expr {[object::get $port DIR] eq "O" ? "output" : "input"}]
        lappend ports "$way [object::get $port NAME]"
    }
    foreach port [object::all bd_intf_port] {
        lappend ports {*}[interface_ports $port]
    }
    return "module $name (\n  [join $ports ,\n\ \ ]\n);\nendmodule\n"
}

proc files::interface_ports {port} {
    set name [object::get $port NAME]
    set protocol [object::get $port CONFIG.PROTOCOL]
    switch -- $protocol {
        DDR {
            return [lmap signal {{[14:0] addr} {[2:0] ba} cas_n ck_n ck_p cke cs_n {[3:0] dm} {[31:0] dq} {[3:0] dqs_n}
                {[3:0] dqs_p} odt ras_n reset_n we_n} {string cat "inout [join [lrange $signal 0 end-1]] ${name}_[lindex $signal end]"}]
        }
        FIXED_IO {
            return [lmap signal {ddr_vrn ddr_vrp {[53:0] mio} ps_clk ps_porb ps_srstb} {string cat "inout [join [lrange $signal 0 end-1]] ${name}_[lindex $signal end]"}]
        }
    }
    set data [object::get $port CONFIG.DATA_WIDTH]
    set id [object::get $port CONFIG.ID_WIDTH]
    set address [list addr [object::get $port CONFIG.ADDR_WIDTH] prot 3]
    if {$protocol ne "AXI4LITE"} {
        lappend address len [expr {$protocol eq "AXI3" ? 4 : 8}] size 3 burst 2
        foreach {key signal bits} {HAS_LOCK lock 1 HAS_CACHE cache 4 HAS_QOS qos 4 HAS_REGION region 4} {
            if {[object::get $port CONFIG.$key 1]} {
                lappend address $signal $bits
            }
        }
        if {$id} {
            lappend address id $id
        }
    }
    set last [expr {$protocol eq "AXI4LITE" ? {} : {last 1}}]
    set ids [expr {$protocol ne "AXI4LITE" && $id ? [list id $id] : {}}]
    set found {}
    foreach {channel forward signals} [list aw 1 $address ar 1 $address \
        w 1 [concat [list data $data strb [expr {$data / 8}]] $last [expr {$protocol eq "AXI3" ? $ids : {}}]] \
        b 0 [concat {resp 2} $ids] r 0 [concat [list data $data resp 2] $last $ids]] {
        set inward [expr {$forward == ([object::get $port MODE] eq "Slave")}]
        foreach {signal bits} [concat $signals {valid 1}] {
            lappend found "[expr {$inward ? {input} : {output}}] \[[expr {$bits - 1}]:0\] ${name}_$channel$signal"
        }
        lappend found "[expr {$inward ? {output} : {input}}] ${name}_${channel}ready"
    }
    return $found
}

proc files::handoff {name} {
    # The hardware handoff: what pynq reads of it.
    set modules {}
    foreach cell [object::all bd_cell] {
        set ip [object::get $cell IP_NAME]
        set vlnv [object::get $cell VLNV]
        set parameters ""
        foreach {key value} [concat [dict get $object::properties $cell] [clock_parameters $cell $ip]] {
            if {[string match CONFIG.* $key]} {
                append parameters "        <PARAMETER NAME=\"[string range $key 7 end]\" VALUE=\"$value\"/>\n"
            }
        }
        set map ""
        foreach entry $block::mapped {
            lassign $entry space segment offset range
            if {[string match $cell/* $space]} {
                set instance [lindex [split $segment /] 1]
                append map [format {        <MEMRANGE ADDRESSBLOCK="Reg" BASENAME="C_BASEADDR" BASEVALUE="0x%08X" HIGHNAME="C_HIGHADDR" HIGHVALUE="0x%08X" INSTANCE="%s" IS_DATA="TRUE" IS_INSTRUCTION="TRUE" MASTERBUSINTERFACE="M_AXI" MEMTYPE="REGISTER" SLAVEBUSINTERFACE="S_AXI"/>} \
                    $offset [expr {$offset + $range - 1}] $instance] \n
            }
        }
        append modules "    <MODULE FULLNAME=\"$cell\" HWVERSION=\"[lindex [split $vlnv :] 3]\" INSTANCE=\"[string range $cell 1 end]\" IPTYPE=\"PERIPHERAL\" IS_ENABLE=\"1\" MODCLASS=\"PERIPHERAL\" MODTYPE=\"$ip\" VLNV=\"$vlnv\">\n      <DOCUMENTS/>\n      <PARAMETERS>\n$parameters      </PARAMETERS>\n      <PORTS/>\n      <BUSINTERFACES/>\n      <MEMORYMAP>\n$map      </MEMORYMAP>\n    </MODULE>\n"
    }
    regexp {^xc([^-]+?)((?:clg|sbva|sfvc|ffvc|fbg|ffg|sbg).*)?$} [string map {- ""} [object::get project PART]] -> device package
    set date [clock format 0 -format {%a %b %d %H:%M:%S %Y} -gmt 1]
    return "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\" ?>\n<EDKSYSTEM EDWVERSION=\"1.2\" TIMESTAMP=\"$date\" VIVADOVERSION=\"$fake::version\">\n  <SYSTEMINFO ARCH=\"[expr {[string match xc7z* [object::get project PART]] ? {zynq} : {zynquplus}}]\" BOARD=\"[object::get project BOARD_PART]\" DEVICE=\"$device\" NAME=\"$name\" PACKAGE=\"$package\" SPEEDGRADE=\"-1\"/>\n  <EXTERNALPORTS/>\n  <EXTERNALINTERFACES/>\n  <MODULES>\n$modules  </MODULES>\n</EDKSYSTEM>\n"
}

proc files::clock_parameters {cell ip} {
    # What the PS works out of the clock that was asked for.
    switch -- $ip {
        processing_system7 {
            lassign [ip::zynq_clock [ip::value $cell PCW_FPGA0_PERIPHERAL_FREQMHZ]] first second hertz
            set found [list CONFIG.PCW_CLK0_FREQ $hertz CONFIG.PCW_IO_IO_PLL_FREQMHZ 1000.000]
            for {set k 0} {$k < 4} {incr k} {
                lappend found CONFIG.PCW_FPGA_FCLK${k}_ENABLE [expr {$k == 0}] CONFIG.PCW_FCLK${k}_PERIPHERAL_CLKSRC "IO PLL" \
                    CONFIG.PCW_FCLK${k}_PERIPHERAL_DIVISOR0 [expr {$k ? 1 : $first}] \
                    CONFIG.PCW_FCLK${k}_PERIPHERAL_DIVISOR1 [expr {$k ? 1 : $second}]
            }
            return $found
        }
        zynq_ultra_ps_e {
            lassign [ip::mpsoc_clock [ip::value $cell PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ]] first second hertz
            set found [list CONFIG.C_SAXIGP2_DATA_WIDTH [ip::value $cell PSU__SAXIGP2__DATA_WIDTH] \
                CONFIG.C_MAXIGP0_DATA_WIDTH [ip::value $cell PSU__MAXIGP0__DATA_WIDTH]]
            for {set k 0} {$k < 4} {incr k} {
                lappend found CONFIG.PSU__FPGA_PL${k}_ENABLE [expr {$k == 0}] CONFIG.PSU__CRL_APB__PL${k}_REF_CTRL__SRCSEL IOPLL \
                    CONFIG.PSU__CRL_APB__PL${k}_REF_CTRL__DIVISOR0 [expr {$k ? 1 : $first}] \
                    CONFIG.PSU__CRL_APB__PL${k}_REF_CTRL__DIVISOR1 [expr {$k ? 1 : $second}] \
                    CONFIG.PSU__CRL_APB__PL${k}_REF_CTRL__ACT_FREQMHZ [expr {$k ? 100 : $hertz / 1e6}]
            }
            return $found
        }
    }
    return {}
}

proc do::make_wrapper {given words} {
    set design [dict get $given -files]
    return [file join [files::generated] [file rootname [file tail $design]] hdl [file rootname [file tail $design]]_wrapper.v]
}
