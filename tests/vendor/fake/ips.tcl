# The IPs that block designs of ours and of FINN use: their pins follow their parameters.
#
# Names of pins and parameters: PG082 (processing_system7), PG201 (zynq_ultra_ps_e), PG247
# (smartconnect), PG059 (axi_interconnect), PG164 (proc_sys_reset), PG065 (clk_wiz), PG144 (axi_gpio),
# and block designs that `write_bd_tcl` wrote in public repositories (RedPitaya/RedPitaya-FPGA,
# analogdevicesinc/hdl, Xilinx/PYNQ).
#
# `ip::pins <name> <cell>` gives a list of
#   {intf NAME MODE PROTOCOL DATA_WIDTH CLOCK-PIN} and {pin NAME DIRECTION TYPE FREQ_HZ}.

namespace eval ip {
    variable catalogue {
        xilinx.com:ip:processing_system7:5.5
        xilinx.com:ip:zynq_ultra_ps_e:3.5
        xilinx.com:ip:smartconnect:1.0
        xilinx.com:ip:axi_interconnect:2.1
        xilinx.com:ip:axi_protocol_converter:2.1
        xilinx.com:ip:proc_sys_reset:5.0
        xilinx.com:ip:clk_wiz:6.0
        xilinx.com:ip:axi_gpio:2.0
        xilinx.com:ip:xlconstant:1.1
        xilinx.com:ip:xlconcat:2.1
        xilinx.com:ip:util_vector_logic:2.0
    }
    variable parameters {
        processing_system7 {PCW_USE_M_AXI_GP? PCW_USE_S_AXI_HP? PCW_USE_S_AXI_GP? PCW_USE_S_AXI_ACP
            PCW_S_AXI_HP?_DATA_WIDTH PCW_FPGA?_PERIPHERAL_FREQMHZ PCW_EN_CLK?_PORT PCW_EN_RST?_PORT
            PCW_FPGA_FCLK?_ENABLE PCW_USE_FABRIC_INTERRUPT PCW_IRQ_F2P_INTR
            PCW_CRYSTAL_PERIPHERAL_FREQMHZ PCW_APU_PERIPHERAL_FREQMHZ PCW_PRESET_BANK?_VOLTAGE
            PCW_FCLK?_PERIPHERAL_CLKSRC PCW_UIPARAM_DDR_*}
        zynq_ultra_ps_e {PSU__USE__M_AXI_GP? PSU__USE__S_AXI_GP? PSU__MAXIGP?__DATA_WIDTH
            PSU__SAXIGP?__DATA_WIDTH PSU__FPGA_PL?_ENABLE PSU__CRL_APB__PL?_REF_CTRL__FREQMHZ
            PSU__CRL_APB__PL?_REF_CTRL__SRCSEL PSU__OVERRIDE__BASIC_CLOCK PSU__USE__FABRIC__RST
            PSU__NUM_FABRIC_RESETS PSU__USE__IRQ? PSU__PSS_REF_CLK__FREQMHZ}
        smartconnect {NUM_SI NUM_MI NUM_CLKS HAS_ARESETN ADVANCED_PROPERTIES}
        axi_interconnect {NUM_SI NUM_MI ENABLE_ADVANCED_OPTIONS STRATEGY S??_HAS_REGSLICE M??_HAS_REGSLICE}
        axi_protocol_converter {SI_PROTOCOL MI_PROTOCOL TRANSLATION_MODE DATA_WIDTH ADDR_WIDTH ID_WIDTH}
        proc_sys_reset {C_EXT_RST_WIDTH C_AUX_RST_WIDTH C_EXT_RESET_HIGH C_AUX_RESET_HIGH
            C_NUM_BUS_RST C_NUM_PERP_RST C_NUM_INTERCONNECT_ARESETN C_NUM_PERP_ARESETN}
        clk_wiz {PRIM_IN_FREQ* PRIM_SOURCE PRIMITIVE CLKOUT1_REQUESTED_OUT_FREQ USE_LOCKED USE_RESET
            RESET_TYPE RESET_PORT}
        axi_gpio {C_ALL_OUTPUTS* C_DOUT_DEFAULT* C_GPIO_WIDTH C_GPIO2_WIDTH C_IS_DUAL}
        xlconstant {CONST_WIDTH CONST_VAL}
        xlconcat {NUM_PORTS IN?_WIDTH}
        util_vector_logic {C_OPERATION C_SIZE}
    }
    variable defaults {
        processing_system7 {PCW_USE_M_AXI_GP0 1 PCW_USE_S_AXI_HP0 0 PCW_S_AXI_HP0_DATA_WIDTH 64
            PCW_FPGA0_PERIPHERAL_FREQMHZ 50 PCW_EN_CLK0_PORT 1 PCW_EN_RST0_PORT 1
            PCW_CRYSTAL_PERIPHERAL_FREQMHZ 33.333333}
        zynq_ultra_ps_e {PSU__USE__M_AXI_GP0 1 PSU__USE__M_AXI_GP1 1 PSU__USE__M_AXI_GP2 0
            PSU__USE__S_AXI_GP2 0 PSU__SAXIGP2__DATA_WIDTH 128 PSU__MAXIGP0__DATA_WIDTH 128
            PSU__MAXIGP1__DATA_WIDTH 128 PSU__FPGA_PL0_ENABLE 1 PSU__USE__FABRIC__RST 1
            PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ 100 PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL}
        smartconnect {NUM_SI 2 NUM_MI 1 NUM_CLKS 1 HAS_ARESETN 1}
        axi_interconnect {NUM_SI 1 NUM_MI 2}
        clk_wiz {CLKOUT1_REQUESTED_OUT_FREQ 100 USE_LOCKED true USE_RESET true RESET_TYPE ACTIVE_HIGH RESET_PORT reset}
        axi_gpio {C_IS_DUAL 0}
    }
}

proc ip::known {pattern} {
    variable catalogue
    set found {}
    foreach vlnv [concat $catalogue [dict keys $files::packaged]] {
        if {[string match $pattern $vlnv]} {
            lappend found $vlnv
        }
    }
    return $found
}

proc ip::name {vlnv} {
    return [lindex [split $vlnv :] 2]
}

proc ip::allowed {ip parameter} {
    variable parameters
    foreach pattern [dict get $parameters $ip] {
        if {[string match $pattern $parameter]} {
            return 1
        }
    }
    return 0
}

proc ip::value {cell name} {
    return [object::get $cell CONFIG.$name 0]
}

proc ip::pins {ip cell} {
    if {[info commands ::ip::pins_of_$ip] eq ""} {
        return {}
    }
    return [pins_of_$ip $cell]
}

proc ip::pins_of_processing_system7 {cell} {
    lassign [zynq_clock [value $cell PCW_FPGA0_PERIPHERAL_FREQMHZ]] _ _ hertz
    set found {{intf DDR Master DDR 0 {}} {intf FIXED_IO Master FIXED_IO 0 {}}}
    if {[value $cell PCW_USE_M_AXI_GP0]} {
        lappend found {intf M_AXI_GP0 Master AXI3 32 M_AXI_GP0_ACLK} {pin M_AXI_GP0_ACLK I clk 0}
    }
    if {[value $cell PCW_USE_S_AXI_HP0]} {
        lappend found [list intf S_AXI_HP0 Slave AXI3 [value $cell PCW_S_AXI_HP0_DATA_WIDTH] S_AXI_HP0_ACLK]
        lappend found {pin S_AXI_HP0_ACLK I clk 0}
    }
    if {[value $cell PCW_EN_CLK0_PORT]} {
        lappend found [list pin FCLK_CLK0 O clk $hertz]
    }
    if {[value $cell PCW_EN_RST0_PORT]} {
        lappend found {pin FCLK_RESET0_N O rst 0}
    }
    return $found
}

proc ip::pins_of_zynq_ultra_ps_e {cell} {
    lassign [mpsoc_clock [value $cell PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ]] _ _ hertz
    set found {}
    foreach {number name} {0 HPM0_FPD 1 HPM1_FPD 2 HPM0_LPD} {
        if {[value $cell PSU__USE__M_AXI_GP$number]} {
            set clock maxi[string tolower $name]_aclk
            lappend found [list intf M_AXI_$name Master AXI4 [object::get $cell CONFIG.PSU__MAXIGP${number}__DATA_WIDTH 32] $clock]
            lappend found [list pin $clock I clk 0]
        }
    }
    if {[value $cell PSU__USE__S_AXI_GP2]} {
        lappend found [list intf S_AXI_HP0_FPD Slave AXI4 [value $cell PSU__SAXIGP2__DATA_WIDTH] saxihp0_fpd_aclk]
        lappend found {pin saxihp0_fpd_aclk I clk 0}
    }
    if {[value $cell PSU__FPGA_PL0_ENABLE]} {
        lappend found [list pin pl_clk0 O clk $hertz]
    }
    if {[value $cell PSU__USE__FABRIC__RST]} {
        lappend found {pin pl_resetn0 O rst 0}
    }
    return $found
}

proc ip::divisors {pll wanted} {
    # The two divisors that come nearest to a clock without exceeding it.
    set best {63 63}
    foreach first [numbers] {
        foreach second [numbers] {
            set product [expr {$first * $second}]
            if {$pll / $product > $wanted * 1.000001} continue
            set least [expr {[lindex $best 0] * [lindex $best 1]}]
            if {$product < $least || ($product == $least && $second < [lindex $best 1])} {
                set best [list $first $second]
            }
        }
    }
    return $best
}

proc ip::numbers {} {
    set found {}
    for {set k 1} {$k <= 63} {incr k} {
        lappend found $k
    }
    return $found
}

proc ip::zynq_clock {wanted} {
    # The IO PLL is 1000 MHz.
    lassign [divisors 1000.0 $wanted] first second
    return [list $first $second [expr {round(1e9 / ($first * $second))}]]
}

proc ip::mpsoc_clock {wanted} {
    # The IOPLL is 45 times a crystal of 33.333 MHz: 100 MHz become 99999000 Hz.
    lassign [divisors 1500.0 $wanted] first second
    return [list $first $second [expr {round(1499.985e6 / ($first * $second))}]]
}

proc ip::pins_of_smartconnect {cell} {
    set found {{pin aclk I clk 0} {pin aresetn I rst 0}}
    for {set k 0} {$k < [value $cell NUM_SI]} {incr k} {
        lappend found [list intf [format S%02d_AXI $k] Slave any 0 aclk]
    }
    for {set k 0} {$k < [value $cell NUM_MI]} {incr k} {
        lappend found [list intf [format M%02d_AXI $k] Master any 0 aclk]
    }
    return $found
}

proc ip::pins_of_axi_interconnect {cell} {
    set found {{pin ACLK I clk 0} {pin ARESETN I rst 0}}
    foreach {side letter mode} {NUM_SI S Slave NUM_MI M Master} {
        for {set k 0} {$k < [value $cell $side]} {incr k} {
            set stem [format %s%02d $letter $k]
            lappend found [list intf ${stem}_AXI $mode any 0 ${stem}_ACLK]
            lappend found [list pin ${stem}_ACLK I clk 0] [list pin ${stem}_ARESETN I rst 0]
        }
    }
    return $found
}

proc ip::pins_of_proc_sys_reset {cell} {
    return {
        {pin slowest_sync_clk I clk 0} {pin ext_reset_in I rst 0} {pin aux_reset_in I rst 0}
        {pin mb_debug_sys_rst I rst 0} {pin dcm_locked I data 0} {pin mb_reset O rst 0}
        {pin bus_struct_reset O rst 0} {pin peripheral_reset O rst 0}
        {pin interconnect_aresetn O rst 0} {pin peripheral_aresetn O rst 0}
    }
}

proc ip::pins_of_clk_wiz {cell} {
    set hertz [expr {round(1e6 * [value $cell CLKOUT1_REQUESTED_OUT_FREQ])}]
    return [list {pin clk_in1 I clk 0} [list pin [value $cell RESET_PORT] I rst 0] \
        [list pin clk_out1 O clk $hertz] {pin locked O data 0}]
}

proc ip::pins_of_axi_gpio {cell} {
    set found {{intf S_AXI Slave AXI4LITE 32 s_axi_aclk} {pin s_axi_aclk I clk 0}
        {pin s_axi_aresetn I rst 0} {pin gpio_io_o O data 0}}
    if {[value $cell C_IS_DUAL]} {
        lappend found {pin gpio2_io_o O data 0}
    }
    return $found
}
