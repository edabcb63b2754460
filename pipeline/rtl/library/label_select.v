// Finds the class of the greatest of CHANNELS values, PE per beat. The first of equal values wins.
// The class of a channel is its index or, if MAPPED is 1, LABELS[channel].
module label_select #(
    parameter CHANNELS   = 10,  // >= 1
    parameter PE         = 1,   // divides CHANNELS
    parameter INPUT_BITS = 7,   // >= 1
    parameter INPUT_KIND = 0,   // 0 unsigned, 1 signed
    parameter LABEL_BITS = 4,   // >= clog2(CHANNELS)
    parameter MAPPED     = 0,
    parameter [CHANNELS*LABEL_BITS-1:0] LABELS = 0
) (
    input                       clk,
    input                       rst_n,
    input  [ PE*INPUT_BITS-1:0] s_tdata,
    input                       s_tvalid,
    output                      s_tready,
    output [    LABEL_BITS-1:0] m_tdata,
    output reg                  m_tvalid,
    input                       m_tready
);
  localparam [LABEL_BITS-1:0] LAST = CHANNELS - PE;
  localparam [LABEL_BITS-1:0] STRIDE = PE;
  // signed values compare as unsigned ones once their sign bit is flipped
  localparam [INPUT_BITS-1:0] FLIP = (INPUT_KIND == 1) ? 1 << (INPUT_BITS - 1) : 0;
  reg [LABEL_BITS-1:0] first;  // index of lane 0 of this beat
  reg [LABEL_BITS-1:0] label;
  reg [INPUT_BITS-1:0] best;
  wire last = (first == LAST);
  wire take = s_tvalid & s_tready;
  // the label register is the output: a new image may start only when it has been taken
  assign s_tready = ~m_tvalid | m_tready;
  generate
    if (MAPPED == 1) begin : mapped
      assign m_tdata = LABELS[label*LABEL_BITS+:LABEL_BITS];
    end else begin : index
      assign m_tdata = label;
    end
  endgenerate

  wire [PE*INPUT_BITS-1:0] lane_best;
  wire [PE*LABEL_BITS-1:0] lane_label;
  genvar p;
  generate
    for (p = 0; p < PE; p = p + 1) begin : lane
      wire [INPUT_BITS-1:0] value = s_tdata[p*INPUT_BITS+:INPUT_BITS] ^ FLIP;
      if (p == 0) begin : head
        assign lane_best[0+:INPUT_BITS]  = value;
        assign lane_label[0+:LABEL_BITS] = first;
      end else begin : next
        wire greater = value > lane_best[(p-1)*INPUT_BITS+:INPUT_BITS];
        assign lane_best[p*INPUT_BITS+:INPUT_BITS] =
            greater ? value : lane_best[(p-1)*INPUT_BITS+:INPUT_BITS];
        assign lane_label[p*LABEL_BITS+:LABEL_BITS] =
            greater ? first + p : lane_label[(p-1)*LABEL_BITS+:LABEL_BITS];
      end
    end
  endgenerate
  wire [INPUT_BITS-1:0] beat_best = lane_best[(PE-1)*INPUT_BITS+:INPUT_BITS];
  wire better = (first == 0) | (beat_best > best);

  always @(posedge clk) begin
    if (take & better) begin
      best  <= beat_best;
      label <= lane_label[(PE-1)*LABEL_BITS+:LABEL_BITS];
    end
    if (!rst_n) begin
      first <= 0;
      m_tvalid <= 1'b0;
    end else begin
      if (take) first <= last ? {LABEL_BITS{1'b0}} : first + STRIDE;
      m_tvalid <= (take & last) | (m_tvalid & ~m_tready);
    end
  end
endmodule
