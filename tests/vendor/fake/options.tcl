# How this fake behaves: `options.txt` beside it has a name and a value on each line.

namespace eval fake {}

proc fake::read_options {path} {
    set found [dict create]
    if {![file exists $path]} {
        return $found
    }
    set file [open $path]
    fconfigure $file -encoding utf-8
    foreach line [split [read $file] \n] {
        if {[regexp {^(\S+) (.*)$} $line -> name value]} {
            dict lappend found $name [subst -nocommands -novariables $value]
        }
    }
    close $file
    return $found
}

proc fake::option {name default} {
    # The last value of an option.
    variable options
    if {[dict exists $options $name]} {
        return [lindex [dict get $options $name] end]
    }
    return $default
}

proc fake::values {name} {
    # All values of an option that may stand there several times.
    variable options
    return [expr {[dict exists $options $name] ? [dict get $options $name] : {}}]
}

proc fake::json_string {text} {
    set quoted [string map [list \\ \\\\ \" \\\" \n \\n \r \\r \t \\t] $text]
    set clean ""
    foreach letter [split $quoted ""] {
        scan $letter %c code
        append clean [expr {$code < 32 || $code > 126 ? [format {\u%04x} $code] : $letter}]
    }
    return "\"$clean\""
}

proc fake::json_list {words} {
    return "\[[join [lmap word $words {json_string $word}] ", "]\]"
}

proc fake::json_object {pairs} {
    # From a dictionary of texts.
    return "{[join [lmap {name value} $pairs {string cat [json_string $name] ": " [json_string $value]}] ", "]}"
}
