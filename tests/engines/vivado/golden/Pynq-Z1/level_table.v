// Levels of PE values from tables in LUTs, with one entry for each value of a channel.
// Combinational.
// <FILES>_<lane>.hex has FOLDS x 2**BITS words of OUTPUT_BITS: the output's code, at address {fold,
// code of the value}; lane has four decimal digits. With SHARED all lanes read _0000.
module level_table #(
    parameter PE          = 1,  // 1..9999
    parameter FOLDS       = 1,  // >= 1
    parameter SHARED      = 0,  // 0, 1; 1: FOLDS is 1
    parameter BITS        = 8,  // of a value, 1..8
    parameter OUTPUT_BITS = 1,  // 1..8
    parameter FILES       = "thresholds",
    parameter FOLD_BITS   = (FOLDS > 1) ? $clog2(FOLDS) : 1  // derived
) (
    input  [     FOLD_BITS-1:0] fold,
    input  [       PE*BITS-1:0] value,
    output [PE*OUTPUT_BITS-1:0] level
);
  function [31:0] digits(input integer number);
    digits = 32'h30303030 + ((number / 1000) % 10 << 24) + ((number / 100) % 10 << 16)
        + ((number / 10) % 10 << 8) + number % 10;
  endfunction
  genvar p;
  generate
    for (p = 0; p < PE; p = p + 1) begin : lane
      localparam [31:0] LANE = digits(SHARED ? 0 : p);
      (* rom_style = "distributed" *)
      reg [OUTPUT_BITS-1:0] memory[0:(FOLDS<<BITS)-1];
      initial $readmemh({FILES, "_", LANE, ".hex"}, memory);
      wire [BITS-1:0] code = value[p*BITS+:BITS];
      if (FOLDS == 1) begin : one_fold
        assign level[p*OUTPUT_BITS+:OUTPUT_BITS] = memory[code];
      end else begin : folds
        assign level[p*OUTPUT_BITS+:OUTPUT_BITS] = memory[{fold, code}];
      end
    end
  endgenerate
endmodule
