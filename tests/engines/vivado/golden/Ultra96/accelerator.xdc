# Constraints of the accelerator. Generated.
#
# There is one clock, pl_clk0 at 100 MHz. It comes from the processor, whose IP
# constrains it; its reset is synchronised by proc_sys_reset, whose IP constrains that, too. The only
# pins are the processor's own. So nothing is left to say but how the bitfile is written: always with
# the same length for a part.
set_property BITSTREAM.GENERAL.COMPRESS FALSE [current_design]
