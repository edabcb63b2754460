// Converts from IN_LANES to OUT_LANES elements per beat, with any ratio. For a vector it needs as
// many cycles as the larger of its numbers of input and output beats. A ratio that is not an
// integer goes through the least common multiple: the input side collects, the output side splits,
// at the same time. A vector's length must be a multiple of both lane counts.
module width_converter #(
    parameter BITS      = 1,  // of an element, >= 1
    parameter IN_LANES  = 1,  // >= 1
    parameter OUT_LANES = 8,  // >= 1
    parameter MIDDLE    = 8   // least common multiple of the lane counts
) (
    input                       clk,
    input                       rst_n,
    input  [ BITS*IN_LANES-1:0] s_tdata,
    input                       s_tvalid,
    output                      s_tready,
    output [BITS*OUT_LANES-1:0] m_tdata,
    output                      m_tvalid,
    input                       m_tready
);
  wire [BITS*MIDDLE-1:0] middle_tdata;
  wire middle_tvalid, middle_tready;
  generate
    if (MIDDLE > IN_LANES) begin : up
      width_up #(
          .WIDTH(BITS * IN_LANES),
          .RATIO(MIDDLE / IN_LANES)
      ) collect (
          .clk(clk),
          .rst_n(rst_n),
          .s_tdata(s_tdata),
          .s_tvalid(s_tvalid),
          .s_tready(s_tready),
          .m_tdata(middle_tdata),
          .m_tvalid(middle_tvalid),
          .m_tready(middle_tready)
      );
    end else begin : as_is
      assign middle_tdata = s_tdata;
      assign middle_tvalid = s_tvalid;
      assign s_tready = middle_tready;
    end
    if (MIDDLE > OUT_LANES) begin : down
      width_down #(
          .WIDTH(BITS * OUT_LANES),
          .RATIO(MIDDLE / OUT_LANES)
      ) split (
          .clk(clk),
          .rst_n(rst_n),
          .s_tdata(middle_tdata),
          .s_tvalid(middle_tvalid),
          .s_tready(middle_tready),
          .m_tdata(m_tdata),
          .m_tvalid(m_tvalid),
          .m_tready(m_tready)
      );
    end else begin : whole
      assign m_tdata = middle_tdata;
      assign m_tvalid = middle_tvalid;
      assign middle_tready = m_tready;
    end
  endgenerate
endmodule
