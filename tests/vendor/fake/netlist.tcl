# Synthesis, placement, routing and the bitstream, on a rough model of the design.
#
# The hierarchy comes from the Verilog that was read. LUTs and FFs of an instance come from its
# parameters, RAM from the memory files that it reads, unless options.txt gives them:
#   resource INSTANCE LUT FF RAMB18 DSP
# Words of the log: Vivado's, as in public logs (Xilinx/finn, RedPitaya/RedPitaya-FPGA,
# enjoy-digital/litex, olofk/serv).

namespace eval netlist {
    variable state [dict create]
    variable tree {}
    variable texts [dict create]
    variable paths 0
    # a path from register to register, in ns, by family: after routing a little more
    variable delays {xc7 5.9 xczu 3.1 xck 3.1}
}

proc netlist::tell_time {what} {
    set free "free physical = 4242 ; free virtual = 12345"
    puts "$what: Time (s): cpu = 00:00:12 ; elapsed = 00:00:09 . Memory (MB): peak = 2380.203 ; gain = 8.008 ; $free"
}

proc netlist::license {what} {
    regexp {^xc(?:7[a-z]+\d+|[a-z]+\d+[a-z]*)} [object::get project PART] device
    puts "Attempting to get a license for feature '$what' and/or device '$device'"
    puts "INFO: \[Common 17-349\] Got license for feature '$what' and/or device '$device'"
}

proc netlist::require {stage} {
    variable state
    if {![dict exists $state stage]} {
        fake::fail {Common 17-53} "User Exception: No open design. Please open an elaborated, synthesized or implemented design before executing this command."
    }
    set order {synthesised optimised placed routed}
    if {[lsearch $order [dict get $state stage]] < [lsearch $order $stage]} {
        fake::fail {Vivado_Tcl 4-23} "The design must be $stage before this command; it is [dict get $state stage]."
    }
}

# ---- synthesis

proc do::synth_design {given words} {
    set top [dict get $given -top]
    if {[dict exists $given -part]} {
        files::require_part [dict get $given -part]
    }
    puts "Command: synth_design -top $top -part [object::get project PART]"
    puts "Starting synth_design"
    netlist::license Synthesis
    failures::at synth_design
    netlist::read_sources
    if {![dict exists $netlist::texts $top]} {
        fake::fail {Synth 8-3331} "cannot find design unit '$top' in library 'work'"
    }
    puts "---------------------------------------------------------------------------------"
    netlist::tell_time "Starting Synthesize : "
    netlist::check_connections
    netlist::tell_time "Finished RTL Elaboration : "
    set netlist::tree {}
    netlist::elaborate $top "" $top 0
    netlist::tell_time "Finished Technology Mapping : "
    set netlist::state [dict create stage synthesised top $top part [object::get project PART] \
        hertz [netlist::hertz] tree $netlist::tree files [netlist::kept_files]]
    puts "synth_design completed successfully"
    netlist::tell_time synth_design
    object::make design $top [list NAME $top PART [object::get project PART]]
    return $top
}

proc netlist::hertz {} {
    foreach pin [object::all bd_pin] {
        if {[object::get $pin TYPE] eq "clk" && [object::get $pin DIR] eq "O"} {
            return [object::get $pin CONFIG.FREQ_HZ]
        }
    }
    return 100000000
}

proc netlist::read_sources {} {
    # The text of every module, without comments.
    variable texts
    set texts [dict create]
    foreach path [concat $files::verilog [glob -nocomplain [file join [files::generated] * synth *.v]]] {
        set file [open $path]
        set text [read $file]
        close $file
        regsub -all {//[^\n]*} $text {} text
        regsub -all {/\*.*?\*/} $text {} text
        foreach {_ name body} [regexp -all -inline {\ymodule\s+?(\w+?)\y(.*?)\yendmodule} $text] {
            dict set texts $name $body
        }
    }
}

proc netlist::check_connections {} {
    # Whether the block design has every port that an instance of it names.
    variable texts
    foreach design [object::all bd_design] {
        set ports {}
        foreach {_ port} [regexp -all -inline {(\w+)\s*[,)]} [dict get $texts $design]] {
            lappend ports $port
        }
        dict for {module body} $texts {
            if {![regexp -indices "\\y$design\\s+\\w+\\s*\\(" $body at]} continue
            set from [lindex $at 1]
            set connections [string range $body $from [string first ");" $body $from]]
            foreach {_ name} [regexp -all -inline {\.(\w+)\(} $connections] {
                if {$name ni $ports} {
                    fake::fail {Synth 8-448} "named port connection '$name' does not exist for instance of module '$design'"
                }
            }
        }
    }
}

proc netlist::kept_files {} {
    set kept [dict create]
    foreach path [concat $files::verilog $files::memories [glob -nocomplain design.json]] {
        set file [open $path rb]
        dict set kept [file tail $path] [read $file]
        close $file
    }
    return $kept
}

proc netlist::elaborate {module path parameters depth} {
    # Appends {depth name module lut ff ramb18 dsp} for an instance and all below it: their sums.
    variable texts
    variable tree
    set at [llength $tree]
    set name [expr {$path eq "" ? $module : [file tail $path]}]
    lappend tree {}
    set own [own_resources $name $parameters]
    set sum $own
    if {$depth < 5} {
        set known [join [dict keys $texts] |]
        set body [dict get $texts $module]
        foreach {_ child words instance} [regexp -all -inline "\\y($known)\\s+(#\\((?:\[^()\]|\\((?:\[^()\]|\\(\[^()\]*\\))*\\))*\\)\\s*)?(\\w+)\\s*\\(\\s*\\." $body] {
            set below [elaborate $child [expr {$path eq "" ? $instance : "$path/$instance"}] $words [expr {$depth + 1}]]
            set sum [lmap a $sum b $below {expr {$a + $b}}]
        }
    }
    lset tree $at [list $depth $path $module {*}$sum]
    if {$sum ne $own} {
        set tree [linsert $tree $at+1 [list own $path $module {*}$own]]
    }
    foreach entry [fake::values resource] {
        if {[lindex $entry 0] eq $name} {
            set sum [lrange $entry 1 4]
            lset tree $at [list $depth $path $module {*}$sum]
        }
    }
    return $sum
}

proc netlist::own_resources {name words} {
    set lut 8
    set bits 0
    foreach {_ key value} [regexp -all -inline {\.(\w+)\(("[^"]*"|\d+)\)} $words] {
        if {[string is integer $value]} {
            incr lut [expr {min($value, 600) / 2}]
        } else {
            set stem [string trim $value \"]
            set found [glob -nocomplain $stem ${stem}.hex ${stem}_*.hex]
            foreach path $found {
                require_small $stem $path
                incr bits [expr {[file size $path] * 4}]
                if {$path ni $files::memories} {
                    lappend files::memories $path
                }
            }
            if {$found eq {}} {
                fake::say "CRITICAL WARNING" {Synth 8-4445} "could not open \$readmem data file '$stem'; please make sure the file is added to project and has read permission, ignoring"
            }
        }
    }
    if {[regexp {\.BLOCK(_ROM)?\(1\)} $words]} {
        return [list $lut [expr {$lut * 3 / 2}] [expr {($bits + 18431) / 18432}] 0]
    }
    return [list [expr {$lut + $bits / 64}] [expr {$lut * 3 / 2}] 0 0]
}

proc netlist::require_small {name path} {
    # The limit of a variable, and the parameter that raises it.
    set limit 1000000
    regexp {var_size_limit (\d+)} [dict get $settings::parameters synth.elaboration.rodinMoreOptions] -> limit
    set file [open $path]
    set text [read $file]
    close $file
    set bits [expr {4 * [string length [string map {\n "" " " ""} $text]]}]
    if {$bits > $limit} {
        fake::fail {Synth 8-4556} "size of variable '$name' is too large to handle; the size of the variable is $bits, the limit is $limit"
    }
}

# ---- implementation

proc netlist::step {name stage needs what given words log} {
    variable state
    netlist::require $needs
    puts "Command: $name[expr {[dict exists $given -directive] ? " -directive [dict get $given -directive]" : ""}]"
    license Implementation
    failures::at $name
    foreach line $log {
        puts $line
    }
    dict set state stage $stage
    puts "$name completed successfully"
    tell_time $name
}

proc do::opt_design {given words} {
    netlist::step opt_design optimised synthesised Optimization $given $words {
        "Running DRC as a precondition to command opt_design" "Starting Logic Optimization Task"
        "Phase 1 Initialization" "Phase 2 Timer Update And Timing Data Collection"
        "Phase 3 Retarget" "Phase 4 Constant propagation" "Phase 5 Sweep"
        "Ending Logic Optimization Task | Checksum: 1c64ac06f"
    }
}

proc do::place_design {given words} {
    netlist::require optimised
    upvar #0 ::netlist::state state
    set have [dict get {xc7z020 53200 xczu3eg 70560 xczu7ev 230400 xck26 117120} [regexp -inline {^xc(?:7z020|zu3eg|zu7ev|k26)} [dict get $state part]]]
    set lut [lindex [dict get $state tree] 0 3]
    if {$lut > $have} {
        fake::say ERROR {DRC UTLZ-1} "Resource utilization: Slice LUTs over-utilized in Top Level Design (This design requires more Slice LUTs cells than are available in the target device. This design requires $lut of such cell types but only $have compatible sites are available in the target device. Please analyze your synthesis results and constraints to ensure the design is mapped to Xilinx primitives as expected. If so, please consider targeting a larger device. Please set tcl parameter \"drc.disableLUTOverUtilError\" to 1 to change this error to warning.)"
        fake::fail {Vivado_Tcl 4-23} "Error(s) found during DRC. Placer not run."
    }
    netlist::step place_design placed optimised Placer $given $words {
        "Starting Placer Task" "Phase 1 Placer Initialization" "Phase 2 Global Placement"
        "Phase 3 Detail Placement" "Phase 4 Post Placement Optimization and Clean-Up"
        "Ending Placer Task | Checksum: 16b9eea9d"
    }
}

proc do::phys_opt_design {given words} {
    set stage [dict get $netlist::state stage]
    netlist::step phys_opt_design $stage placed "Physical Synthesis" $given $words {
        "Starting Initial Update Timing Task" "Phase 1 Physical Synthesis Initialization"
        "Ending Physical Synthesis Task | Checksum: 1f2a5d5b4"
    }
}

proc do::route_design {given words} {
    netlist::step route_design routed placed Routing $given $words {
        "Starting Routing Task" "Phase 1 Build RT Design" "Phase 2 Router Initialization"
        "Phase 3 Global Routing" "Phase 4 Initial Routing" "Phase 5 Rip-up And Reroute"
        "Phase 6 Delay and Skew Optimization" "Phase 7 Post Hold Fix" "Phase 8 Route finalize"
        "INFO: \[Route 35-16\] Router Completed Successfully"
        "Ending Routing Task | Checksum: 5ee84e19"
    }
    set slack [netlist::slack]
    if {$slack < 0} {
        fake::say "CRITICAL WARNING" {Timing 38-282} "The design failed to meet the timing requirements. Please see the timing summary report for details on the timing violations."
    }
}

# ---- checkpoints

proc do::write_checkpoint {given words} {
    netlist::require synthesised
    set path [lindex $words 0]
    if {[file extension $path] ne ".dcp"} {
        append path .dcp
    }
    if {[file exists $path] && ![dict exists $given -force]} {
        fake::fail {Common 17-176} "Overwrite of existing file isn't enabled. Please specify -force to overwrite file."
    }
    set file [open $path wb]
    puts $file "fake checkpoint"
    flush $file
    failures::at write_checkpoint
    puts -nonewline $file [encoding convertto utf-8 $netlist::state]
    close $file
    fake::say INFO {Common 17-1381} "The checkpoint '[file normalize $path]' has been generated."
    return $path
}

proc do::open_checkpoint {given words} {
    set path [lindex $words 0]
    puts "Command: open_checkpoint $path"
    files::require_file $path
    set netlist::state [netlist::read_state $path]
    object::put project PART [dict get $netlist::state part]
    set top [dict get $netlist::state top]
    object::make design $top [list NAME $top PART [dict get $netlist::state part]]
    netlist::tell_time open_checkpoint
    return $top
}

proc netlist::read_state {path} {
    set file [open $path rb]
    gets $file first
    set text [encoding convertfrom utf-8 [read $file]]
    close $file
    if {$first ne "fake checkpoint" || [catch {dict get $text stage}]} {
        fake::fail {Project 1-589} "Checkpoint '$path' is not a valid design checkpoint"
    }
    return $text
}

proc do::read_checkpoint {given words} {
    netlist::require synthesised
    files::require_file [lindex $words 0]
    netlist::read_state [lindex $words 0]
    fake::say INFO {Designutils 20-2297} "Reference Design: [lindex $words 0], Summary | WNS = 1.000 | TNS = 0.000"
    return ""
}

proc do::current_design {given words} {
    netlist::require synthesised
    return [dict get $netlist::state top]
}

proc do::close_design {given words} {
    set netlist::state [dict create]
}

# ---- the bitstream

proc do::write_bitstream {given words} {
    netlist::require routed
    set path [lindex $words 0]
    puts "Command: write_bitstream -force $path"
    netlist::license Implementation
    failures::at write_bitstream
    puts "Creating bitmap..."
    puts "Creating bitstream..."
    netlist::write_bit $path
    puts "Writing bitstream $path..."
    fake::say INFO {Vivado 12-1842} "Bitgen Completed Successfully."
    netlist::tell_time write_bitstream
}

proc netlist::write_bit {path} {
    # A header like Vivado's, and as data the Verilog and memories, as the virtual board takes them.
    variable state
    set data [tar [dict get $state files]]
    append data [string repeat \0 [expr {-[string length $data] & 3}]]
    set start [binary format H* 0ff00ff00ff00ff000]
    set header [binary format Sa*S [string length $start] $start 1]
    set part [regsub ^xc [dict get $state part] {}]
    # where Vivado writes its version: what a fake has made must never pass for an FPGA's
    set design "[dict get $state top];UserID=0XFFFFFFFF;Version=simulated"
    foreach {letter text} [list a $design b $part c 1980/01/01 d 00:00:00] {
        append header [binary format aSa*a $letter [expr {[string length $text] + 1}] $text \0]
    }
    append header [binary format aI e [string length $data]]
    set file [open $path wb]
    puts -nonewline $file $header$data
    close $file
}

proc netlist::tar {files} {
    # An archive in the format ustar, of user 0 and of 1970.
    set archive ""
    foreach name [lsort [dict keys $files]] {
        set content [dict get $files $name]
        set size [string length $content]
        set head [binary format a100a8a8a8a12a12 $name 0000644\0 0000000\0 0000000\0 [format %011o $size]\0 00000000000\0]
        set tail [binary format aa100a6a2 0 "" ustar\0 00]
        set tail [binary format a355 $tail]
        set sum 256
        binary scan $head$tail cu* bytes
        foreach byte $bytes {
            incr sum $byte
        }
        append archive [binary format a512 $head[format %06o $sum]\0\ $tail]
        append archive $content [string repeat \0 [expr {-$size & 511}]]
    }
    return $archive[string repeat \0 10240]
}
