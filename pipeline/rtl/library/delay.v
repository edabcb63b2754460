// Delays `in` by CYCLES cycles. Runs freely.
module delay #(
    parameter WIDTH  = 1,  // >= 1
    parameter CYCLES = 1   // >= 0
) (
    input              clk,
    input  [WIDTH-1:0] in,
    output [WIDTH-1:0] out
);
  generate
    if (CYCLES == 0) begin : none
      assign out = in;
    end else begin : some
      reg [CYCLES*WIDTH-1:0] chain;
      assign out = chain[CYCLES*WIDTH-1-:WIDTH];
      if (CYCLES == 1) begin : one
        always @(posedge clk) chain <= in;
      end else begin : many
        always @(posedge clk) chain <= {chain[(CYCLES-1)*WIDTH-1:0], in};
      end
    end
  endgenerate
endmodule
