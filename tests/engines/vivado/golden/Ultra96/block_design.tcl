# The block design: the processor, its reset, and the way to our registers. Generated.
#
# Our shell is plain Verilog beside it: the interfaces to the shell are ports of the block design, and
# top.v joins the two. This needs neither a module reference, whose interfaces Vivado infers and
# whose $readmemh files it looks for elsewhere, nor a packaged IP with copies of all files. It is the
# way of RedPitaya/RedPitaya-FPGA, also in non-project mode, and uses only commands that are the
# same from 2022.2 to 2025.x (UG994, "Creating a Flow in Non-Project Mode").
create_bd_design system

set ps [create_bd_cell -type ip -vlnv xilinx.com:ip:zynq_ultra_ps_e ps]
set preset [expr {[get_property BOARD_PART [current_project]] ne "" ? 1 : 0}]
if {$preset} {
    apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e -config [list apply_board_preset 1] $ps
}
set_property -dict [list \
    CONFIG.PSU__OVERRIDE__BASIC_CLOCK {0} \
    CONFIG.PSU__FPGA_PL0_ENABLE {1} \
    CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ {100} \
    CONFIG.PSU__USE__FABRIC__RST {1} \
    CONFIG.PSU__USE__M_AXI_GP0 {1} \
    CONFIG.PSU__USE__M_AXI_GP1 {0} \
    CONFIG.PSU__USE__M_AXI_GP2 {0} \
    CONFIG.PSU__MAXIGP0__DATA_WIDTH {32} \
    CONFIG.PSU__USE__S_AXI_GP2 {1} \
    CONFIG.PSU__SAXIGP2__DATA_WIDTH {128} \
] $ps

# ---- one clock and its reset
create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset reset
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect to_control
set_property -dict [list CONFIG.NUM_SI {1} CONFIG.NUM_MI {1}] [get_bd_cells to_control]
create_bd_port -dir O -type clk clock
create_bd_port -dir O -from 0 -to 0 -type rst resetn
connect_bd_net [get_bd_pins ps/pl_clk0] [get_bd_ports clock] \
    [get_bd_pins ps/maxihpm0_fpd_aclk] [get_bd_pins ps/saxihp0_fpd_aclk] \
    [get_bd_pins reset/slowest_sync_clk] [get_bd_pins to_control/aclk]
connect_bd_net [get_bd_pins ps/pl_resetn0] [get_bd_pins reset/ext_reset_in]
connect_bd_net [get_bd_pins reset/interconnect_aresetn] [get_bd_pins to_control/aresetn]
connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_ports resetn]

# What the processor makes of the clock that was asked for may differ by a few hertz, and Vivado
# compares the interfaces' numbers (BD 41-237).
set hertz [get_property CONFIG.FREQ_HZ [get_bd_pins ps/pl_clk0]]
set_property CONFIG.FREQ_HZ $hertz [get_bd_ports clock]
set_property -dict [list CONFIG.ASSOCIATED_BUSIF {control:memory} CONFIG.ASSOCIATED_RESET {resetn}] [get_bd_ports clock]

# ---- the processor's way to the registers: AXI4-Lite
create_bd_intf_port -mode Master -vlnv xilinx.com:interface:aximm_rtl:1.0 control
set_property -dict [list \
    CONFIG.PROTOCOL {AXI4LITE} \
    CONFIG.DATA_WIDTH {32} \
    CONFIG.ADDR_WIDTH {40} \
    CONFIG.FREQ_HZ $hertz \
] [get_bd_intf_ports control]
connect_bd_intf_net [get_bd_intf_pins ps/M_AXI_HPM0_FPD] [get_bd_intf_pins to_control/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins to_control/M00_AXI] [get_bd_intf_ports control]
assign_bd_address -offset 0xa0000000 -range 0x4000 -target_address_space [get_bd_addr_spaces ps/Data] [get_bd_addr_segs control/Reg] -force

# ---- the DMAs' way to the memory: one reads, the other writes, so they share a port's two halves
create_bd_intf_port -mode Slave -vlnv xilinx.com:interface:aximm_rtl:1.0 memory
set_property -dict [list \
    CONFIG.PROTOCOL {AXI4} \
    CONFIG.DATA_WIDTH {128} \
    CONFIG.ADDR_WIDTH {49} \
    CONFIG.ID_WIDTH {6} \
    CONFIG.MAX_BURST_LENGTH {16} \
    CONFIG.SUPPORTS_NARROW_BURST {0} \
    CONFIG.HAS_BURST {1} \
    CONFIG.HAS_CACHE {1} \
    CONFIG.HAS_PROT {1} \
    CONFIG.HAS_LOCK {0} \
    CONFIG.HAS_QOS {0} \
    CONFIG.HAS_REGION {0} \
    CONFIG.FREQ_HZ $hertz \
] [get_bd_intf_ports memory]
connect_bd_intf_net [get_bd_intf_ports memory] [get_bd_intf_pins ps/S_AXI_HP0_FPD]
# all that the port reaches: a segment left open, or excluded, is a critical warning (BD 41-1356, BD
# 41-1629). The port is joined directly, so a segment more costs nothing.
assign_bd_address -target_address_space [get_bd_addr_spaces memory] [get_bd_addr_segs ps/SAXIGP2/*] -force

validate_bd_design
save_bd_design
# synthesised together with the shell, not out of context
set_property SYNTH_CHECKPOINT_MODE None [get_files system.bd]
generate_target all [get_files system.bd]

# Vivado has moved this file between versions.
set handoff [glob -nocomplain .gen/sources_1/bd/system/hw_handoff/system.hwh .srcs/sources_1/bd/system/hw_handoff/system.hwh]
if {[llength $handoff] == 0} {
    error "ERROR: Vivado wrote no system.hwh for the block design"
}
file copy -force [lindex $handoff 0] system.hwh
