# The commands of Vivado that a script of ours or of FINN may call, with their options.
#
# Source: Vivado Design Suite Tcl Command Reference Guide (UG835), 2022.2 to 2025.2,
# https://docs.amd.com/r/en-US/ug835-vivado-tcl-commands; the directives are those of UG901
# (synthesis) and UG904 (implementation). `report_utilization -format` is not in UG835; FINN uses it.
#
#   known NAME OPTIONS ?LEAST? ?MOST?
#
# OPTIONS: `-x` is a flag, `-x=` takes a value, `-x=a|b` takes one of these. Every command also has
# -quiet and -verbose. LEAST, MOST: how many other arguments there may be.

namespace eval fake {variable table [dict create]}

proc known {name options {least 0} {most 0}} {
    set parsed [dict create -quiet flag -verbose flag]
    foreach option $options {
        set at [string first = $option]
        if {$at < 0} {
            dict set parsed $option flag
        } else {
            set values [split [string range $option [expr {$at + 1}] end] |]
            dict set parsed [string range $option 0 [expr {$at - 1}]] [list value {*}$values]
        }
    }
    dict set fake::table $name [list $parsed $least $most]
}

# ---- the session and the project
known version {-short}
known set_param {} 2 2
known get_param {} 1 1
known set_msg_config {-id= -string= -severity= -new_severity= -limit= -suppress -count}
known reset_msg_config {-id= -severity= -suppress -limit -count}
known get_msg_config {-id= -severity= -count -limit -rules}
known create_project {-part= -force -in_memory -ip -rtl_kernel} 0 2
known open_project {-read_only -part= -force} 1 1
known current_project {} 0 1
known close_project {-delete}
known set_part {} 1 1
known current_fileset {-constrset -simset -srcset} 0 1
known get_filesets {-regexp -nocase -filter= -of_objects=} 0 1
known get_files {-regexp -nocase -filter= -of_objects= -all -compile_order= -used_in= -norecurse} 0 1
known get_parts {-regexp -nocase -filter= -of_objects=} 0 1
known get_board_parts {-regexp -nocase -filter= -latest_file_version -latest_hw_revision -of_objects=} 0 1
known get_property {-min -max -class=} 2 2
known set_property {-dict= -name= -value= -objects=} 0 3
known list_property {-class= -regexp} 0 2
known report_property {-all -class= -return_string -file= -append} 0 2
known add_files {-fileset= -norecurse -copy_to= -scan_for_includes -force} 0 99
known import_files {-fileset= -force -of_objects= -norecurse -flat -relative_to=} 0 99
known remove_files {-fileset=} 1 1
known reorder_files {-fileset= -before= -after= -front -back -auto -disable_unused} 0 99
known update_compile_order {-force_gui -fileset=}
known read_verilog {-library= -sv} 1 99
known read_vhdl {-library= -vhdl2008 -vhdl2019} 1 99
known read_mem {} 1 99
known read_xdc {-cells= -ref= -no_add -mode=default|out_of_context -unmanaged} 1 1
known read_ip {} 1 99
known read_bd {} 1 99
known get_ipdefs {-regexp -nocase -filter= -of_objects= -all} 0 1
known get_ips {-regexp -nocase -filter= -exclude_bd_ips -all -of_objects=} 0 1
known update_ip_catalog {-rebuild -add_ip= -delete_ip= -delete_mult_ip= -disable_ip= -enable_ip= -add_interface= -create_index -repo_path= -update_module_ref -scan_changes}
known create_ip {-vlnv= -module_name= -dir= -force -vendor= -library= -name= -version= -revision=} 0 1
known upgrade_ip {-srcset= -vlnv= -log=} 0 1
known synth_ip {-force} 1 1
known generate_target {-force} 2 2
known export_ip_user_files {-of_objects= -ip_user_files_dir= -ipstatic_source_dir= -lib_map_path= -no_script -sync -reset -force}
known make_wrapper {-files= -top -testbench -inst_template -fileset= -import -force} 0 1
known write_hw_platform {-fixed -force -include_bit -include_sim_content -minimal -hw -hw_emu -file= -rp= -static -pre_synth -xpfm=} 0 1
known write_hwdef {-force -file=} 0 1

# ---- block designs
known create_bd_design {-dir= -cell= -boundary_from_container=} 1 1
known current_bd_design {} 0 1
known open_bd_design {} 1 1
known close_bd_design {} 1 1
known save_bd_design {-as_new=} 0 1
known validate_bd_design {-force -design=}
known regenerate_bd_layout {-hierarchy= -layout_file= -routing -layout_string=}
known create_bd_cell {-vlnv= -type=ip|hier|module|container|inline_hdl -reference= -revision=} 0 1
known get_bd_cells {-regexp -hierarchical -filter= -of_objects= -nocase} 0 1
known get_bd_pins {-regexp -hierarchical -filter= -of_objects= -nocase} 0 1
known get_bd_intf_pins {-regexp -hierarchical -filter= -of_objects= -nocase} 0 1
known get_bd_ports {-regexp -filter= -of_objects= -nocase} 0 1
known get_bd_intf_ports {-regexp -filter= -of_objects= -nocase} 0 1
known get_bd_nets {-regexp -hierarchical -filter= -of_objects= -nocase} 0 1
known get_bd_intf_nets {-regexp -hierarchical -filter= -of_objects= -nocase} 0 1
known get_bd_addr_spaces {-regexp -hierarchical -filter= -of_objects= -nocase} 0 1
known get_bd_addr_segs {-addressables -addressing -addressed -unaddressed -excluded -included -regexp -hierarchical -filter= -of_objects= -nocase} 0 1
known create_bd_port {-from= -to= -type= -dir=I|O|IO -freq_hz=} 1 1
known create_bd_intf_port {-vlnv= -mode=Master|Slave|System|MirroredMaster|MirroredSlave|Monitor} 1 1
known create_bd_pin {-from= -to= -type= -dir=I|O|IO} 1 1
known create_bd_intf_pin {-vlnv= -mode=} 1 1
known connect_bd_net {-net= -boundary_type=upper|lower|both -auto} 0 99
known connect_bd_intf_net {-intf_net= -boundary_type=upper|lower|both -auto_prog} 0 2
known make_bd_pins_external {-name=} 1 99
known make_bd_intf_pins_external {-name=} 1 99
known apply_bd_automation {-rule= -config= -dict= -opposite=} 0 1
known assign_bd_address {-target_address_space= -boundary -master_boundary -external -dict= -import_from_file= -export_to_file= -export_gui_to_file= -offset= -range= -base_high= -force} 0 99
known exclude_bd_addr_seg {-target_address_space=} 1 2
known create_bd_addr_seg {-range= -offset=} 3 3
known delete_bd_objs {} 1 99
known group_bd_cells {-prefix=} 0 99
known current_bd_instance {} 0 1

# ---- synthesis and implementation
set synthesis Default|RuntimeOptimized|AreaOptimized_high|AreaOptimized_medium|AlternateRoutability|AreaMapLargeShiftRegToBRAM|AreaMultThresholdDSP|FewerCarryChains|PerformanceOptimized|LogicCompaction|PowerOptimized_high|PowerOptimized_medium
set optimise Default|Explore|ExploreArea|ExploreWithRemap|ExploreSequentialArea|AddRemap|NoBramPowerOpt|RuntimeOptimized|RQS
set placing Default|Explore|WLDrivenBlockPlacement|EarlyBlockPlacement|ExtraNetDelay_high|ExtraNetDelay_low|AltSpreadLogic_high|AltSpreadLogic_medium|AltSpreadLogic_low|ExtraPostPlacementOpt|ExtraTimingOpt|SSI_SpreadLogic_high|SSI_SpreadLogic_low|SSI_SpreadSLLs|SSI_BalanceSLLs|SSI_BalanceSLRs|SSI_HighUtilSLRs|RuntimeOptimized|Quick|Auto|Auto_1|Auto_2|Auto_3|RQS
set physical Default|Explore|ExploreWithHoldFix|ExploreWithAggressiveHoldFix|AggressiveExplore|AlternateReplication|AlternateFlowWithRetiming|AggressiveFanoutOpt|AddRetime|RuntimeOptimized|RQS
set routing Default|Explore|AggressiveExplore|NoTimingRelaxation|MoreGlobalIterations|HigherDelayCost|AdvancedSkewModeling|AlternateCLBRouting|RuntimeOptimized|Quick|RQS
known synth_design "-name= -part= -constrset= -top= -include_dirs= -generic= -verilog_define= -vhdl_define= -flatten_hierarchy=full|none|rebuilt -gated_clock_conversion=off|on|auto -directive=$synthesis -rtl -lint -file= -bufg= -no_lc -lut_cascade -shreg_min_size= -mode=default|out_of_context -fsm_extraction= -rtl_skip_mlo -rtl_skip_ip -rtl_skip_constraints -srl_style= -keep_equivalent_registers -resource_sharing=auto|on|off -cascade_dsp= -control_set_opt_threshold= -incremental_mode= -max_bram= -max_uram= -max_dsp= -max_bram_cascade_height= -max_uram_cascade_height= -global_retiming= -no_srlextract -assert -no_timing_driven -sfcu -debug_log"
known link_design {-name= -part= -constrset= -top= -mode= -pr_config= -reconfig_partitions= -partitions=}
known opt_design "-retarget -propconst -sweep -bram_power_opt -remap -aggressive_remap -resynth_remap -resynth_area -resynth_seq_area -directive=$optimise -muxf_remap -hier_fanout_limit= -bufg_opt -shift_register_opt -control_set_merge -merge_equivalent_drivers -carry_remap -debug_log -property_opt_only"
known power_opt_design {}
known place_design "-directive=$placing -subdirective= -no_timing_driven -timing_summary -unplace -post_place_opt -no_psip -no_bufg_opt -ultrathreads"
known phys_opt_design "-fanout_opt -placement_opt -routing_opt -slr_crossing_opt -insert_negative_edge_ffs -restruct_opt -interconnect_retime -lut_opt -casc_opt -cell_group_opt -critical_cell_opt -dsp_register_opt -bram_register_opt -uram_register_opt -bram_enable_opt -shift_register_opt -hold_fix -aggressive_hold_fix -retime -force_replication_on_nets= -directive=$physical -critical_pin_opt -clock_opt -path_groups= -tns_cleanup -sll_reg_hold_fix"
known route_design "-unroute -release_memory -nets= -physical_nets -pins= -directive=$routing -tns_cleanup -no_timing_driven -preserve -delay -auto_delay -max_delay= -min_delay= -timing_summary -finalize -ultrathreads -eco"
known write_checkpoint {-force -cell= -logic_function_stripped -encrypt -key= -incremental_synth} 1 1
known open_checkpoint {-part= -ignore_timing} 1 1
known read_checkpoint {-cell= -incremental -directive= -reuse_objects= -fix_objects= -dcp_cell_list= -auto_incremental} 0 1
known close_design {}
known current_design {} 0 1
known write_bitstream {-force -verbose -raw_bitfile -no_binary_bitfile -mask_file -readback_file -logic_location_file -bin_file -reference_bitfile= -cell= -no_partial_bitfile} 1 1
known write_verilog {-cell= -mode= -lib -port_diff_buffers -write_all_overrides -keep_vcc_gnd -rename_top= -sdf_anno= -sdf_file= -force -include_xilinx_libs -include_unisim -logic_function_stripped} 1 1
known launch_runs {-jobs= -scripts_only -lsf= -sge= -cluster_configuration= -dir= -to_step= -next_step -host= -remote_cmd= -email_to= -email_all -pre_launch_script= -post_launch_script= -custom_script= -force} 1 99
known wait_on_run {-timeout= -exit_condition=} 1 1
known get_runs {-regexp -nocase -filter=} 0 1
known reset_run {-prev_step -from_step= -noclean_dir} 1 1
known open_run {-name= -pr_config=} 1 1

# ---- the netlist and its reports
known get_cells {-hsc= -hierarchical -regexp -nocase -filter= -of_objects= -match_style= -include_replicated_objects} 0 1
known get_nets {-hsc= -hierarchical -regexp -nocase -filter= -of_objects= -segments} 0 1
known get_pins {-hsc= -hierarchical -regexp -nocase -leaf -filter= -of_objects=} 0 1
known get_ports {-regexp -nocase -filter= -of_objects=} 0 1
known get_clocks {-regexp -nocase -filter= -of_objects= -include_generated_clocks} 0 1
known get_timing_paths {-from= -rise_from= -fall_from= -to= -rise_to= -fall_to= -through= -rise_through= -fall_through= -delay_type=max|min|min_max|max_rise|max_fall|min_rise|min_fall -setup -hold -max_paths= -nworst= -unique_pins -slack_lesser_than= -slack_greater_than= -group= -no_report_unconstrained -user_ignored -routable_nets -sort_by=group|slack -filter= -regexp -nocase -cell=}
known create_clock {-period= -name= -waveform= -add} 0 1
known set_false_path {-setup -hold -rise -fall -reset_path -from= -to= -through= -rise_from= -rise_to= -fall_from= -fall_to=}
known set_max_delay {-rise -fall -datapath_only -from= -to= -through=} 1 1
known report_utilization {-file= -append -pblocks= -evaluate_pblock -exclude_child_pblocks -exclude_non_assigned -cells= -return_string -slr -packthru -name= -no_primitives -omit_locs -hierarchical -spreadsheet_file= -spreadsheet_table= -spreadsheet_depth= -hierarchical_depth= -hierarchical_percentages -format=xml}
known report_timing_summary {-check_timing_verbose -delay_type= -no_detailed_paths -setup -hold -max_paths= -nworst= -unique_pins -path_type= -no_reused_label -input_pins -no_pblock -slack_lesser_than= -report_unconstrained -significant_digits= -no_header -file= -append -return_string -name= -warn_on_violation -datasheet -cell= -rpx= -routable_nets}
known report_timing {-from= -to= -through= -delay_type= -setup -hold -max_paths= -nworst= -unique_pins -path_type= -input_pins -no_header -slack_lesser_than= -slack_greater_than= -group= -sort_by= -file= -append -return_string -name= -rpx= -of_objects=}
known report_power {-no_propagation -hier= -hierarchical_depth= -vid -advisory -file= -name= -format=text|xml -xpe= -l= -return_string -append -rpx= -verbose}
known report_drc {-name= -upgrade_cw -checks= -ruledecks= -file= -rpx= -append -waived -no_waivers -return_string}
known report_methodology {-name= -checks= -merge_exceptions -file= -rpx= -append -waived -no_waivers -slack_lesser_than= -return_string}
known report_route_status {-return_string -file= -append -of_objects= -route_type= -list_all_nets -show_all -dump_routes -has_routing -boundary_nets -ignore_cache}
known report_clock_utilization {-file= -append -write_xdc= -return_string -clock_roots_only -name= -cells=}
known report_clocks {-file= -append -return_string}
known report_io {-file= -name= -append -format= -return_string}
known report_control_sets {-file= -append -hierarchical -sort_by= -cells= -return_string -verbose}
known check_timing {-exclude= -ignore= -override_defaults= -include_signal -file= -append -return_string -name= -cells= -rpx=}
