// Remembers errors until they are cleared by writing 1. A new error wins over its clearing.
module sticky_errors #(
    parameter ERRORS = 6
) (
    input                   clk,
    input                   rst_n,
    input      [ERRORS-1:0] seen,
    input                   write,
    input      [ERRORS-1:0] write_data,
    output reg [ERRORS-1:0] errors
);
  always @(posedge clk)
    if (!rst_n) errors <= {ERRORS{1'b0}};
    else errors <= seen | (errors & ~({ERRORS{write}} & write_data));
endmodule
