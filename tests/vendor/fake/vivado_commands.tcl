# Commands of the session that are neither of a block design nor of a netlist.

namespace eval settings {
    variable parameters [dict create general.maxThreads 8 board.repoPaths "" \
        synth.elaboration.rodinMoreOptions "" tcl.collectionResultDisplayLimit 500 \
        hls.enable_hidden_option_error true]
}

proc do::version {given words} {
    return [expr {[dict exists $given -short] ? $fake::version : "Vivado v$fake::version (64-bit)"}]
}

proc do::set_param {given words} {
    lassign $words name value
    if {![dict exists $settings::parameters $name]} {
        fake::fail {Common 17-69} "Command failed: there is no parameter '$name', see list_param."
    }
    if {$name eq "general.maxThreads" && !($value >= 1 && $value <= 32)} {
        fake::fail {Common 17-250} "Value '$value' for parameter 'general.maxThreads' is out of range: 1 to 32."
    }
    dict set settings::parameters $name $value
    return $value
}

proc do::get_param {given words} {
    set name [lindex $words 0]
    return [expr {[dict exists $settings::parameters $name] ? [dict get $settings::parameters $name] : ""}]
}
