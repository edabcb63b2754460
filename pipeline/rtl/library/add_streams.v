// Adds two streams, each times a constant, PE elements per beat. A pair of beats is taken when both are there, so the
// ready of either input waits for the other's valid, never for its own.
module add_streams #(
    parameter PE          = 1,  // >= 1
    parameter S_BITS      = 4,  // of an element, 1..31
    parameter S_SIGNED    = 0,  // 0, 1
    parameter T_BITS      = 4,
    parameter T_SIGNED    = 0,
    parameter S_FACTOR    = 1,  // not 0
    parameter T_FACTOR    = 1,
    parameter OUTPUT_BITS = 5   // holds every sum
) (
    input                           clk,
    input                           rst_n,
    input      [     PE*S_BITS-1:0] s_tdata,
    input                           s_tvalid,
    output                          s_tready,
    input      [     PE*T_BITS-1:0] t_tdata,
    input                           t_tvalid,
    output                          t_tready,
    output reg [PE*OUTPUT_BITS-1:0] m_tdata,
    output reg                      m_tvalid,
    input                           m_tready
);
  wire room = ~m_tvalid | m_tready;
  wire take = s_tvalid & t_tvalid & room;
  assign s_tready = t_tvalid & room;
  assign t_tready = s_tvalid & room;

  // wide enough for either, whatever the sum's width is
  localparam BITS = OUTPUT_BITS + S_BITS + T_BITS;
  // magnitudes: a constant with many ones, as a negative factor is, costs an adder for each
  localparam [OUTPUT_BITS-1:0] S_TIMES = (S_FACTOR < 0) ? -S_FACTOR : S_FACTOR;
  localparam [OUTPUT_BITS-1:0] T_TIMES = (T_FACTOR < 0) ? -T_FACTOR : T_FACTOR;
  wire [PE*OUTPUT_BITS-1:0] sums;
  genvar p;
  generate
    for (p = 0; p < PE; p = p + 1) begin : lane
      wire [S_BITS-1:0] s = s_tdata[p*S_BITS+:S_BITS];
      wire [T_BITS-1:0] t = t_tdata[p*T_BITS+:T_BITS];
      wire [BITS-1:0] wide_s = {{(BITS - S_BITS) {S_SIGNED ? s[S_BITS-1] : 1'b0}}, s};
      wire [BITS-1:0] wide_t = {{(BITS - T_BITS) {T_SIGNED ? t[T_BITS-1] : 1'b0}}, t};
      wire [OUTPUT_BITS-1:0] a = wide_s[OUTPUT_BITS-1:0] * S_TIMES;
      wire [OUTPUT_BITS-1:0] b = wide_t[OUTPUT_BITS-1:0] * T_TIMES;
      wire [OUTPUT_BITS-1:0] first = (S_FACTOR < 0) ? b : a;
      wire [OUTPUT_BITS-1:0] second = (S_FACTOR < 0) ? a : b;
      wire [OUTPUT_BITS-1:0] sum = (S_FACTOR < 0) != (T_FACTOR < 0) ? first - second : a + b;
      assign sums[p*OUTPUT_BITS+:OUTPUT_BITS] = (S_FACTOR < 0 && T_FACTOR < 0) ? -sum : sum;
    end
  endgenerate
  always @(posedge clk) begin
    if (take) m_tdata <= sums;
    if (!rst_n) m_tvalid <= 1'b0;
    else m_tvalid <= take | (m_tvalid & ~m_tready);
  end
endmodule
