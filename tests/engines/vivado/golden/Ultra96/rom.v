// Read-only memory from a file, with a registered output (two registers for block RAM, whose own
// clock-to-output is slow). Runs freely. Latency: 1 + BLOCK.
module rom #(
    parameter WIDTH        = 8,      // >= 1
    parameter DEPTH        = 16,     // words, >= 1
    parameter BLOCK        = 0,      // 0 LUTs, 1 block RAM
    parameter FILE         = "rom.hex",
    parameter ADDRESS_BITS = (DEPTH > 1) ? $clog2(DEPTH) : 1  // derived
) (
    input                         clk,
    input      [ADDRESS_BITS-1:0] address,
    output reg [       WIDTH-1:0] word
);
  generate
    if (BLOCK) begin : block
      (* ram_style = "block", rom_style = "block" *)
      reg [WIDTH-1:0] memory[0:DEPTH-1];
      reg [WIDTH-1:0] fetched;
      initial $readmemh(FILE, memory);
      always @(posedge clk) begin
        fetched <= memory[address];
        word <= fetched;
      end
    end else begin : luts
      (* rom_style = "distributed" *)
      reg [WIDTH-1:0] memory[0:DEPTH-1];
      initial $readmemh(FILE, memory);
      always @(posedge clk) word <= memory[address];
    end
  endgenerate
endmodule
