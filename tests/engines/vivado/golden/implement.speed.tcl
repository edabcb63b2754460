# Placement, routing and the bitfile, from the checkpoint of the synthesis. Generated.
#
# A run that was killed continues at the last checkpoint that is there whole.
source figures.tcl
if {[info exists env(PIPELINE_JOBS)]} {
    # from 1 to 8 by UG904, "Multithreading with the Vivado Tools"; no step uses more
    set_param general.maxThreads [expr {min(8, $env(PIPELINE_JOBS))}]
}

if {[file exists routed.dcp]} {
    open_checkpoint routed.dcp
} else {
    if {[file exists placed.dcp]} {
        open_checkpoint placed.dcp
    } else {
        open_checkpoint synth.dcp
        opt_design -directive Explore
        read_checkpoint -incremental reference.dcp
        place_design -directive Explore
        phys_opt_design -directive Explore
        keep_checkpoint placed
    }
    route_design -directive Explore
    phys_opt_design -directive Explore
    keep_checkpoint routed
}

report_utilization -hierarchical -hierarchical_depth 4 -file utilisation.rpt
report_timing_summary -file timing.rpt
report_power -file power.rpt
report_drc -file drc.rpt
report_methodology -file methodology.rpt
report_route_status -file routes.rpt
write_figures figures.tsv shell/network
write_bitstream -force partial.bit
file rename -force partial.bit accelerator.bit
