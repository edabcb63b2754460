// Counts the ones among six bits, with three 6-input tables.
module compressor_6_3 (
    input  [5:0] bits,
    output [2:0] count
);
  // truth tables, indexed by the bits themselves: a plain sum would be mapped as adders
  localparam [63:0] ONES  = 64'h6996966996696996;
  localparam [63:0] TWOS  = 64'h8117177e177e7ee8;
  localparam [63:0] FOURS = 64'hfee8e880e8808000;
  assign count = {FOURS[bits], TWOS[bits], ONES[bits]};
endmodule
