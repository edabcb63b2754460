# Adds what FINN's scripts need. `fake::extend` sources this in its own scope.
set ::finn_interpreter $interpreter
uplevel #0 [list source [file join $home finn.tcl]]
