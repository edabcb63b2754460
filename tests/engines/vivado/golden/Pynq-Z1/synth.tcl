# Synthesis of the accelerator with its shell and the processor. Generated.
#
# Non-project batch mode, in the folder of this script. A run that was killed continues: what is
# there whole is not made again.
source figures.tcl
if {[info exists env(PIPELINE_JOBS)]} {
    set_param general.maxThreads $env(PIPELINE_JOBS)
}

if {[file exists synth.dcp]} {
    open_checkpoint synth.dcp
} else {
    # left by a run that was killed: a block design is never made twice
    file delete -force .gen .srcs .ip_user_files .cache
    create_project -in_memory -part xc7z020clg400-1
    set_property target_language Verilog [current_project]
    # The board files are optional: they set up DDR and MIO, which the boot image has done.
    if {[llength [get_board_parts -quiet www.digilentinc.com:pynq-z1:part0:1.0]] > 0} {
        set_property board_part www.digilentinc.com:pynq-z1:part0:1.0 [current_project]
    }
    source block_design.tcl

    read_verilog [list fifo.v label_select.v credit_output.v delay.v adder_tree.v compressor_6_3.v popcount.v dot_product.v rom.v level_search.v level_table.v step_count.v levels.v replay_buffer.v weight_rom.v mvau.v threshold.v width_down.v width_up.v width_converter.v accelerator.v axi_lite_slave.v cycle_counters.v dma_control.v read_dma.v soft_reset.v sticky_errors.v words_to_beats.v beat_gather.v write_dma.v shell_core.v shell.v top.v]
    # $readmemh finds the memories by their names in this folder, where Vivado runs, as in
    # YosysHQ/picorv32, scripts/vivado. (read_mem takes no .hex, see UG835.)
    read_xdc accelerator.xdc
    # Without this a memory of more than 1,000,000 bits is an error, [Synth 8-4556]: see the answer
    # 0D52E00006hpZuYSAU of AMD's support forum.
    set_param synth.elaboration.rodinMoreOptions "rt::set_parameter var_size_limit 100000000"
    synth_design -top top -part xc7z020clg400-1 -flatten_hierarchy rebuilt
    keep_checkpoint synth
}

report_utilization -hierarchical -hierarchical_depth 4 -file utilisation.rpt
report_timing_summary -file timing.rpt
write_figures figures.tsv shell/network
