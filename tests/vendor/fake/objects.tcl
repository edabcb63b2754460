# Objects and their properties. An object is its name, as Vivado prints it; `kind` says what it is.

namespace eval object {
    variable kinds [dict create]
    variable properties [dict create]
}

proc object::make {kind name {values {}}} {
    variable kinds
    variable properties
    # a port of a block design has the name of its address space
    if {$kind ni [expr {[dict exists $kinds $name] ? [dict get $kinds $name] : {}}]} {
        dict lappend kinds $name $kind
    }
    if {![dict exists $properties $name]} {
        dict set properties $name [dict create]
    }
    dict for {key value} $values {
        dict set properties $name [string toupper $key] $value
    }
    return $name
}

proc object::forget {name} {
    variable kinds
    variable properties
    dict unset kinds $name
    dict unset properties $name
}

proc object::exists {name} {
    variable kinds
    return [dict exists $kinds $name]
}

proc object::kind {name} {
    variable kinds
    return [expr {[dict exists $kinds $name] ? [lindex [dict get $kinds $name] 0] : ""}]
}

proc object::get {name key {default ""}} {
    variable properties
    set key [string toupper $key]
    if {[dict exists $properties $name $key]} {
        return [dict get $properties $name $key]
    }
    return $default
}

proc object::has {name key} {
    variable properties
    return [dict exists $properties $name [string toupper $key]]
}

proc object::put {name key value} {
    variable properties
    dict set properties $name [string toupper $key] $value
}

proc object::all {kind} {
    variable kinds
    set found {}
    dict for {name of} $kinds {
        if {$kind in $of} {
            lappend found $name
        }
    }
    return $found
}

proc object::named {kind patterns {below ""}} {
    # The objects of a kind that any of the patterns matches; `below` is put before a relative one.
    set found {}
    foreach name [all $kind] {
        foreach pattern $patterns {
            if {[string index $pattern 0] ne "/"} {
                set pattern $below$pattern
            }
            if {[string match $pattern $name]} {
                lappend found $name
                break
            }
        }
    }
    return $found
}

proc object::filtered {names filter} {
    # A filter of Vivado: terms `NAME == x`, `!=`, `=~`, `!~`, joined by && and ||, in parentheses.
    if {$filter eq ""} {
        return $names
    }
    set found {}
    foreach name $names {
        if {[matches $name $filter]} {
            lappend found $name
        }
    }
    return $found
}

proc object::matches {name filter} {
    set filter [string trim $filter]
    foreach either [splits $filter "||"] {
        set all 1
        foreach term [splits $either "&&"] {
            set term [string trim $term " ()\t\n"]
            if {![regexp {^(!?)([\w.]+)\s*(==|!=|=~|!~)\s*(.*)$} $term -> not key how value]} {
                fake::fail {Common 17-158} "Invalid filter expression '$filter'."
            }
            set value [string trim $value " \"\{\}"]
            set have [get $name $key]
            switch -- $how {
                == {set holds [expr {$have eq $value}]}
                != {set holds [expr {$have ne $value}]}
                =~ {set holds [string match $value $have]}
                !~ {set holds [expr {![string match $value $have]}]}
            }
            set all [expr {$all && ($not eq "" ? $holds : !$holds)}]
        }
        if {$all} {
            return 1
        }
    }
    return 0
}

proc object::splits {text by} {
    return [split [string map [list $by \x01] $text] \x01]
}

namespace eval do {}

proc do::get_property {given words} {
    lassign $words key names
    set found [lmap name $names {do::property $key $name}]
    return [expr {[llength $names] > 1 ? $found : [lindex $found 0]}]
}

proc do::property {key name} {
    if {![object::exists $name]} {
        fake::fail {Common 17-55} "'get_property' expects at least one object."
    }
    if {![object::has $name $key]} {
        if {[string match -nocase CONFIG.* $key]} {
            return ""
        }
        fake::fail {Common 17-54} "The object '$name' does not have a property '$key'."
    }
    return [object::get $name $key]
}

proc do::set_property {given words} {
    if {[dict exists $given -dict]} {
        set pairs [dict get $given -dict]
        set names [lindex $words end]
    } elseif {[dict exists $given -name]} {
        set pairs [list [dict get $given -name] [dict get $given -value]]
        set names [expr {[dict exists $given -objects] ? [dict get $given -objects] : [lindex $words end]}]
    } else {
        if {[llength $words] != 3} {
            fake::fail {Common 17-163} "Missing value for option 'objects', please type 'set_property -help' for usage info."
        }
        set pairs [lrange $words 0 1]
        set names [lindex $words 2]
    }
    if {[llength $pairs] % 2} {
        fake::fail {Common 17-161} "Invalid option value '$pairs' specified for 'dict'."
    }
    if {$names eq ""} {
        fake::fail {Common 17-55} "'set_property' expects at least one object."
    }
    foreach name $names {
        if {![object::exists $name]} {
            fake::fail {Common 17-55} "'set_property' expects at least one object."
        }
        foreach {key value} $pairs {
            set key [string toupper $key]
            if {[object::kind $name] eq "bd_cell"} {
                block::check_parameter $name $key $value
            }
            if {$key eq "CONFIG.ASSOCIATED_BUSIF" && [object::kind $name] eq "bd_port"} {
                block::check_associated $name $value
            }
            object::put $name $key $value
        }
        if {[object::kind $name] eq "bd_cell"} {
            block::refresh $name
        }
        if {[object::kind $name] eq "project" && [string equal -nocase [lindex $pairs 0] board_part]} {
            files::require_board [lindex $pairs 1]
        }
    }
    return ""
}
