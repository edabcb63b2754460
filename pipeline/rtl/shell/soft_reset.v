// A reset in the middle of a batch that breaks no rule of AXI: it lets the bursts that are under way
// end, then resets both DMAs and the accelerator.
module soft_reset (
    input      clk,
    input      rst_n,
    input      request,    // for one cycle
    input      quiet,      // no burst is under way, and none begins while `stop` is 1
    output reg stop,       // from the request until the reset is over
    output reg core_rst_n
);
  always @(posedge clk) begin
    core_rst_n <= rst_n & ~(stop & quiet);
    if (!rst_n) stop <= 1'b0;
    else stop <= request | (stop & core_rst_n);
  end
endmodule
