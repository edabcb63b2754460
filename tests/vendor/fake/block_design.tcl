# A model of a block design: cells, pins, nets and addresses, and the errors that Vivado would raise.
#
# Messages: [BD 41-237], [BD 41-758], [BD 41-967], [BD 41-1356], [BD 5-106], [BD 5-216] and [BD 5-235]
# are Vivado's own, as quoted in public issues and forums.

namespace eval block {
    variable current ""
    variable nets {}
    variable intf_nets {}
    variable mapped {}
    variable excluded {}
    variable saved {}
}

# ---- cells and their pins

proc block::check_parameter {cell key value} {
    if {![regexp {^CONFIG\.(.*)$} $key -> parameter] || ![object::has $cell IP_NAME]} {
        return
    }
    set ip [object::get $cell IP_NAME]
    if {[dict exists $ip::parameters $ip] && ![ip::allowed $ip $parameter]} {
        fake::fail {Common 17-54} "The object '$cell' does not have a property '$key'."
    }
}

proc block::refresh {cell} {
    # Makes the pins of a cell what its parameters say.
    set ip [object::get $cell IP_NAME]
    if {$ip eq "" || [object::get $cell PACKAGED 0]} {
        return
    }
    set wanted {}
    foreach pin [ip::pins $ip $cell] {
        set name $cell/[lindex $pin 1]
        lappend wanted $name
        if {[lindex $pin 0] eq "intf"} {
            lassign $pin _ short mode protocol width clock
            object::make bd_intf_pin $name [list NAME $short MODE $mode CELL $cell CLOCK $clock \
                CONFIG.PROTOCOL $protocol CONFIG.DATA_WIDTH $width \
                CONFIG.ADDR_WIDTH [object::get $name CONFIG.ADDR_WIDTH 32]]
        } else {
            lassign $pin _ short direction type hertz
            object::make bd_pin $name [list NAME $short DIR $direction TYPE $type CELL $cell]
            if {$hertz} {
                object::put $name CONFIG.FREQ_HZ $hertz
            }
        }
    }
    foreach kind {bd_pin bd_intf_pin} {
        foreach name [object::all $kind] {
            if {[object::get $name CELL] eq $cell && $name ni $wanted} {
                object::forget $name
            }
        }
    }
    segments $cell $ip
}

proc block::segments {cell ip} {
    # The address spaces of a cell's masters, and the segments of its slaves.
    switch -- $ip {
        processing_system7 {
            object::make bd_addr_space $cell/Data {NAME Data}
            object::make bd_addr_seg $cell/S_AXI_HP0/HP0_DDR_LOWOCM {NAME HP0_DDR_LOWOCM OFFSET 0x0 RANGE 0x20000000}
        }
        zynq_ultra_ps_e {
            object::make bd_addr_space $cell/Data {NAME Data}
            # as write_bd_tcl of public designs lists them
            foreach {name offset range} {HP0_DDR_LOW 0x0 0x80000000 HP0_LPS_OCM 0xFF000000 0x01000000
                HP0_QSPI 0xC0000000 0x20000000} {
                object::make bd_addr_seg $cell/SAXIGP2/$name [list NAME $name OFFSET $offset RANGE $range]
            }
        }
        axi_gpio {
            object::make bd_addr_seg $cell/S_AXI/Reg {NAME Reg RANGE 0x10000}
        }
    }
}

proc do::create_bd_design {given words} {
    set name [lindex $words 0]
    set folder [expr {[dict exists $given -dir] ? [dict get $given -dir] : [files::sources]}]
    set path [file join $folder $name $name.bd]
    if {[file exists $path]} {
        fake::fail {BD 5-216} "The Block Design '$name' already exists on disk: [file normalize $path]"
    }
    file mkdir [file dirname $path]
    close [open $path w]
    set block::current $name
    object::make bd_design $name [list NAME $name FILE_NAME $path]
    object::make file $path [list NAME $path FILE_TYPE "Block Designs" SYNTH_CHECKPOINT_MODE Hierarchical]
    return $name
}

proc do::current_bd_design {given words} {
    if {$words ne {}} {
        set block::current [lindex $words 0]
    }
    return $block::current
}

proc block::require {} {
    variable current
    if {$current eq ""} {
        fake::fail {BD 5-104} "A block design must be open to run this command. Please create/open a block design."
    }
}

proc do::create_bd_cell {given words} {
    block::require
    set name /[string trimleft [lindex $words 0] /]
    if {[object::exists $name]} {
        fake::fail {BD 5-104} "The cell '$name' already exists."
    }
    set type [expr {[dict exists $given -type] ? [dict get $given -type] : "ip"}]
    if {$type eq "hier"} {
        return [object::make bd_cell $name [list NAME $name TYPE hier]]
    }
    if {$type ne "ip"} {
        set reference [dict get $given -reference]
        return [object::make bd_cell $name [list NAME $name TYPE $type REFERENCE $reference PACKAGED 1]]
    }
    set vlnv [dict get $given -vlnv]
    set pattern [expr {[llength [split $vlnv :]] == 3 ? "$vlnv:*" : $vlnv}]
    set found [lindex [ip::known $pattern] end]
    if {$found eq ""} {
        fake::fail {BD 5-216} "VLNV <$vlnv> is not supported for the current part."
    }
    set ip [ip::name $found]
    if {[dict exists $::files::packaged $found]} {
        object::make bd_cell $name [list NAME [string trimleft $name /] TYPE ip VLNV $found IP_NAME $ip PACKAGED 1]
        files::instantiate $name $found
        return $name
    }
    object::make bd_cell $name [list NAME [string trimleft $name /] TYPE ip VLNV $found IP_NAME $ip]
    foreach {key value} [expr {[dict exists $ip::defaults $ip] ? [dict get $ip::defaults $ip] : {}}] {
        object::put $name CONFIG.$key $value
    }
    block::refresh $name
    return $name
}

proc do::delete_bd_objs {given words} {
    foreach name [concat {*}$words] {
        foreach kind {bd_pin bd_intf_pin} {
            foreach pin [object::all $kind] {
                if {[object::get $pin CELL] eq $name} {
                    object::forget $pin
                }
            }
        }
        object::forget $name
        foreach list {nets intf_nets} {
            set kept {}
            foreach net [set block::$list] {
                lappend kept [lmap end $net {expr {[string match $name/* $end] ? [continue] : $end}}]
            }
            set block::$list $kept
        }
    }
}

# ---- looking things up

proc block::look {kind given words} {
    set names [expr {$words eq {} ? [object::all $kind] : [object::named $kind [lindex $words 0] /]}]
    if {[dict exists $given -of_objects]} {
        set of [dict get $given -of_objects]
        set names [lmap name $names {expr {[object::get $name CELL] in $of ? $name : [continue]}}]
    }
    if {[dict exists $given -filter]} {
        set names [object::filtered $names [dict get $given -filter]]
    }
    if {$names eq {} && ![dict exists $given -quiet]} {
        fake::say WARNING {BD 5-235} "No objects matched 'get_${kind}s [lindex $words 0]'"
    }
    return $names
}

foreach kind {bd_cell bd_pin bd_intf_pin bd_port bd_intf_port bd_addr_space bd_addr_seg} {
    proc do::get_${kind}s {given words} "block::look $kind \$given \$words"
}

proc do::get_bd_intf_nets {given words} {return [lindex $words 0]}
proc do::get_bd_nets {given words} {return [lindex $words 0]}

# ---- ports

proc do::create_bd_port {given words} {
    block::require
    set name [lindex $words 0]
    set type [expr {[dict exists $given -type] ? [dict get $given -type] : "undef"}]
    object::make bd_port /$name [list NAME $name DIR [dict get $given -dir] TYPE $type]
    if {[dict exists $given -freq_hz]} {
        object::put /$name CONFIG.FREQ_HZ [dict get $given -freq_hz]
    }
    return /$name
}

proc do::create_bd_intf_port {given words} {
    block::require
    set name [lindex $words 0]
    set mode [dict get $given -mode]
    object::make bd_intf_port /$name [list NAME $name MODE $mode VLNV [dict get $given -vlnv] \
        CONFIG.FREQ_HZ 100000000 CONFIG.DATA_WIDTH 32 CONFIG.ADDR_WIDTH 32 CONFIG.ID_WIDTH 0 CONFIG.PROTOCOL AXI4]
    if {[string match *:aximm_rtl:* [dict get $given -vlnv]]} {
        if {$mode eq "Slave"} {
            object::make bd_addr_space /$name [list NAME $name]
        } else {
            object::make bd_addr_seg /$name/Reg {NAME Reg RANGE 0x10000}
        }
    }
    return /$name
}

proc block::external {cell pin mode vlnv} {
    object::make bd_intf_port /$pin [list NAME $pin MODE $mode VLNV $vlnv CONFIG.PROTOCOL $pin CONFIG.DATA_WIDTH 0]
    join_ends intf_nets [list $cell/$pin /$pin]
}

proc do::apply_bd_automation {given words} {
    # Only the rules of the two processing systems: ports for DDR and MIO, and a preset of the board.
    set rule [dict get $given -rule]
    set settings [expr {[dict exists $given -config] ? [dict get $given -config] : {}}]
    set cell [lindex [lindex $words 0] 0]
    set preset [expr {[dict exists $settings apply_board_preset] && [dict get $settings apply_board_preset] in {1 true}}]
    if {$preset && [object::get project BOARD_PART] eq ""} {
        fake::say WARNING {BD 5-700} "No board preset is applied: the project has no board_part."
    }
    switch -- $rule {
        xilinx.com:bd_rule:processing_system7 {
            if {[dict exists $settings make_external] && [dict get $settings make_external] ne ""} {
                block::external $cell DDR Master xilinx.com:interface:ddrx_rtl:1.0
                block::external $cell FIXED_IO Master xilinx.com:display_processing_system7:fixedio_rtl:1.0
            }
        }
        xilinx.com:bd_rule:zynq_ultra_ps_e - xilinx.com:bd_rule:debug {}
        default {
            fake::fail {BD 5-699} "No automation rule '$rule'."
        }
    }
    return ""
}

# ---- connections

proc block::join_ends {list ends} {
    variable $list
    set joined $ends
    set others {}
    foreach net [set $list] {
        if {[lmap end $ends {expr {$end in $net ? 1 : [continue]}}] ne {}} {
            lappend joined {*}$net
        } else {
            lappend others $net
        }
    }
    set $list [linsert $others end [lsort -unique $joined]]
}

proc do::connect_bd_net {given words} {
    block::require
    set ends [concat {*}$words]
    if {"" in $words || [llength $ends] < 2} {
        fake::fail {BD 5-106} "Arguments to the connect_bd_net command cannot be empty."
    }
    foreach end $ends {
        if {[object::kind $end] ni {bd_pin bd_port}} {
            fake::fail {BD 41-701} "Cannot connect $end: it is no pin."
        }
    }
    block::join_ends nets $ends
    return ""
}

proc do::connect_bd_intf_net {given words} {
    block::require
    set ends [concat {*}$words]
    if {"" in $words || [llength $ends] != 2} {
        fake::fail {BD 5-106} "Arguments to the connect_bd_intf_net command cannot be empty."
    }
    lassign $ends one two
    set modes [lmap end $ends {
        set mode [object::get $end MODE]
        # seen from inside, a port that is a master of the design takes from a master within
        expr {[object::kind $end] eq "bd_intf_port" ? ($mode eq "Master" ? "Slave" : "Master") : $mode}
    }]
    if {[lindex $modes 0] eq [lindex $modes 1]} {
        fake::fail {BD 41-171} "The modes of the interface pins '$one' and '$two' are incompatible for connection."
    }
    foreach net $block::intf_nets {
        foreach end $ends {
            if {$end in $net} {
                fake::fail {BD 41-1306} "The connection to interface pin $end is being overridden by the user."
            }
        }
    }
    lappend block::intf_nets $ends
    return ""
}

# ---- addresses

proc do::assign_bd_address {given words} {
    block::require
    set segments [concat {*}$words]
    if {$segments eq {}} {
        foreach segment [object::all bd_addr_seg] {
            if {![block::is_mapped $segment] && [block::space_of $segment] ne ""} {
                block::map_automatically $segment
            }
        }
        return ""
    }
    foreach segment $segments {
        set space [expr {[dict exists $given -target_address_space]
            ? [dict get $given -target_address_space] : [block::space_of $segment]}]
        if {$space eq "" || ![object::exists $segment]} {
            fake::fail {BD 41-1075} "Cannot create address segment for '$segment': no address space reaches it."
        }
        if {[dict exists $given -offset]} {
            block::place $space $segment [expr {[dict get $given -offset]}] [block::bytes [dict get $given -range]]
        } else {
            block::map_automatically $segment
        }
    }
    return ""
}

proc do::exclude_bd_addr_seg {given words} {
    block::require
    foreach segment [concat {*}$words] {
        if {![object::exists $segment] || [block::is_mapped $segment]} {
            fake::fail {BD 41-1075} "Cannot exclude '$segment': it is no segment, or it is assigned."
        }
        lappend block::excluded $segment
        # as open-sdr/openwifi-hw, issue 2
        fake::say "CRITICAL WARNING" {BD 41-1629} "<$segment> is excluded from all addressable master spaces."
    }
    return ""
}

proc block::bytes {text} {
    if {[regexp {^(\d+)([KMG])$} $text -> count unit]} {
        return [expr {$count << [dict get {K 10 M 20 G 30} $unit]}]
    }
    return [expr {int($text)}]
}

proc block::is_mapped {segment} {
    variable mapped
    return [expr {[lsearch -index 1 $mapped $segment] >= 0}]
}

proc block::is_reached {segment} {
    # Memory behind a port of the processor that is connected, and every register.
    variable intf_nets
    if {![object::has $segment OFFSET]} {
        return 1
    }
    return [expr {[string match */S_AXI_HP0* [join $intf_nets]]}]
}

proc block::space_of {segment} {
    # The processor reaches registers; what a DMA reaches is memory.
    set cells [object::all bd_addr_space]
    if {[object::has $segment OFFSET]} {
        return [lindex [lmap space $cells {expr {[string match */Data $space] ? [continue] : $space}}] 0]
    }
    return [lindex [lmap space $cells {expr {[string match */Data $space] ? $space : [continue]}}] 0]
}

proc block::map_automatically {segment} {
    variable mapped
    set size [object::get $segment RANGE 0x10000]
    if {[object::has $segment OFFSET]} {
        foreach space [object::all bd_addr_space] {
            if {![string match */Data $space]} {
                place $space $segment [object::get $segment OFFSET] $size
            }
        }
        return
    }
    set at [expr {[lsearch -glob [object::all bd_pin] *pl_clk0] >= 0 ? 0xA0000000 : 0x40000000}]
    foreach entry $mapped {
        lassign $entry space other offset range
        if {[string match */Data $space] && $offset + $range > $at} {
            set at [expr {($offset + $range + $size - 1) / $size * $size}]
        }
    }
    place [space_of $segment] $segment $at $size
}

proc block::place {space segment offset range} {
    variable mapped
    if {$range & ($range - 1) || $range < 4096} {
        fake::fail {BD 41-1051} "The range $range of '$segment' is no power of two of at least 4K."
    }
    if {$offset % $range} {
        fake::fail {BD 41-1051} "The offset [format 0x%08X $offset] of '$segment' is not aligned to its range [format 0x%X $range]."
    }
    foreach entry $mapped {
        lassign $entry other_space other other_offset other_range
        if {$other_space eq $space && $other ne $segment
            && $offset < $other_offset + $other_range && $other_offset < $offset + $range} {
            fake::fail {BD 41-1051} "'$segment' at [format 0x%08X $offset] overlaps '$other' in the address space '$space'."
        }
    }
    set mapped [lmap entry $mapped {expr {[lrange $entry 0 1] eq [list $space $segment] ? [continue] : $entry}}]
    lappend mapped [list $space $segment $offset $range]
    fake::say INFO {Common 17-14} "Slave segment '$segment' is being assigned into address space '$space' at <[format 0x%08X $offset] \[ [expr {$range >> 10}]K \]>."
}

# ---- checks

proc do::validate_bd_design {given words} {
    block::require
    set bad {}
    foreach pin [object::all bd_pin] {
        if {[object::get $pin TYPE] eq "clk" && [object::get $pin DIR] eq "I" && [block::driver $pin] eq ""} {
            lappend bad $pin
        }
    }
    if {$bad ne {}} {
        fake::fail {BD 41-758} "The following clock pins are not connected to a valid clock source: \n[join $bad \n]"
    }
    foreach net $block::intf_nets {
        block::check_net $net
    }
    foreach port [object::all bd_intf_port] {
        if {[string match *:aximm_rtl:* [object::get $port VLNV]] && [block::clock_port $port] eq ""} {
            fake::say "CRITICAL WARNING" {BD 41-967} "AXI interface port $port is not associated to any clock port. It may not work correctly."
        }
    }
    foreach segment [object::all bd_addr_seg] {
        if {![block::is_mapped $segment] && $segment ni $block::excluded && [block::is_reached $segment]} {
            fake::say "CRITICAL WARNING" {BD 41-1356} "Slave segment <$segment> is not assigned into address space <[block::space_of $segment]>. Please use Address Editor to either assign or exclude it."
        }
    }
    block::dump
    return ""
}

proc block::driver {pin} {
    # The output that drives a clock pin.
    variable nets
    foreach net $nets {
        if {$pin in $net} {
            foreach end $net {
                if {([object::kind $end] eq "bd_pin" && [object::get $end DIR] eq "O")
                    || ([object::kind $end] eq "bd_port" && [object::get $end DIR] eq "I")} {
                    return $end
                }
            }
        }
    }
    return ""
}

proc block::clock_port {port} {
    foreach clock [object::all bd_port] {
        if {[object::get $port NAME] in [split [object::get $clock CONFIG.ASSOCIATED_BUSIF] :]} {
            return $clock
        }
    }
    return ""
}

proc block::hertz {end} {
    # The clock of an interface: of its clock pin's driver, or what a port says.
    if {[object::kind $end] eq "bd_intf_port"} {
        return [object::get $end CONFIG.FREQ_HZ]
    }
    set driver [driver [object::get $end CELL]/[object::get $end CLOCK]]
    return [object::get $driver CONFIG.FREQ_HZ]
}

proc block::check_net {net} {
    lassign $net one two
    foreach key {CONFIG.DATA_WIDTH CONFIG.PROTOCOL FREQ_HZ} {
        if {$key eq "FREQ_HZ"} {
            if {[object::get $one CLOCK x] eq "" || [object::get $two CLOCK x] eq ""} continue
            set values [list [hertz $one] [hertz $two]]
        } else {
            set values [list [object::get $one $key] [object::get $two $key]]
        }
        if {"any" in $values || "0" in $values || "" in $values} continue
        if {[lindex $values 0] ne [lindex $values 1]} {
            fake::fail {BD 41-237} "Bus Interface property [string map {CONFIG. {}} $key] does not match between $one\([lindex $values 0]\) and $two\([lindex $values 1]\)"
        }
    }
}

proc do::save_bd_design {given words} {
    block::require
    block::dump
    fake::say INFO {BD 41-1662} "The design '$block::current.bd' is saved."
    return ""
}

proc block::dump {} {
    # The whole design, for tests: fake_block_design.json.
    variable nets
    variable intf_nets
    variable mapped
    set cells [lmap cell [object::all bd_cell] {
        string cat [fake::json_string $cell] ": " [fake::json_object [dict get $object::properties $cell]]
    }]
    set ports [lmap port [concat [object::all bd_port] [object::all bd_intf_port]] {
        string cat [fake::json_string $port] ": " [fake::json_object [dict get $object::properties $port]]
    }]
    set pins [lmap pin [concat [object::all bd_pin] [object::all bd_intf_pin]] {
        string cat [fake::json_string $pin] ": " [fake::json_object [dict get $object::properties $pin]]
    }]
    set file [open fake_block_design.json w]
    puts $file "{\"cells\": {[join $cells ,\n]},\n\"ports\": {[join $ports ,\n]},\n\"pins\": {[join $pins ,\n]},"
    puts $file "\"nets\": \[[join [lmap net $nets {fake::json_list $net}] ,\n]\],"
    puts $file "\"intf_nets\": \[[join [lmap net $intf_nets {fake::json_list $net}] ,\n]\],"
    puts $file "\"addresses\": \[[join [lmap entry $mapped {fake::json_list $entry}] ,\n]\]}"
    close $file
}
