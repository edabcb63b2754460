// Weight words of an MVAU by fold and step. The address is {fold, step} if that needs no more bits
// than a count of all words (unused addresses are zero), and a counter otherwise.
module weight_rom #(
    parameter STEPS     = 8,  // words per fold, >= 1
    parameter FOLDS     = 8,  // >= 1
    parameter WIDTH     = 8,  // >= 1
    parameter BLOCK     = 0,  // 0 LUTs, 1 block RAM
    parameter FILE      = "weights.hex",
    parameter STEP_BITS = 3,  // max(1, clog2(STEPS))
    parameter FOLD_BITS = 3   // max(1, clog2(FOLDS))
) (
    input                  clk,
    input                  rst_n,
    input                  advance,  // to the next word
    input  [STEP_BITS-1:0] step,
    input  [FOLD_BITS-1:0] fold,
    output [    WIDTH-1:0] word
);
  localparam JOINED = $clog2(STEPS) + $clog2(FOLDS) == $clog2(STEPS * FOLDS);
  localparam DEPTH = JOINED ? FOLDS << $clog2(STEPS) : FOLDS * STEPS;
  localparam ADDRESS_BITS = (DEPTH > 1) ? $clog2(DEPTH) : 1;
  wire [ADDRESS_BITS-1:0] address;
  generate
    if (STEPS == 1) begin : folds_only
      assign address = fold;
    end else if (FOLDS == 1) begin : steps_only
      assign address = step;
    end else if (JOINED) begin : joined
      assign address = {fold, step};
    end else begin : counted
      localparam [ADDRESS_BITS-1:0] LAST = DEPTH - 1;
      reg [ADDRESS_BITS-1:0] count;
      assign address = count;
      always @(posedge clk)
        if (!rst_n) count <= 0;
        else if (advance) count <= (count == LAST) ? {ADDRESS_BITS{1'b0}} : count + 1'b1;
    end
  endgenerate
  rom #(
      .WIDTH(WIDTH),
      .DEPTH(DEPTH),
      .BLOCK(BLOCK),
      .FILE (FILE)
  ) words (
      .clk(clk),
      .address(address),
      .word(word)
  );
endmodule
