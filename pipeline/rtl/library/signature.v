// Signature of a stream: a checksum of 32 bits over its beats since `restart`. A multiple-input
// shift register of the CRC-32 polynomial: for each beat it shifts once, and bit i of the beat is
// added at position (i + 7 * (i / 32)) % 32, so that no two lanes at a distance of 32 bits cancel.
// Every wrong beat changes it, unless later errors happen to cancel that (2**-32).
module signature #(
    parameter WIDTH = 8  // bits of a beat, >= 1
) (
    input              clk,
    input              restart,  // before the first beat
    input  [WIDTH-1:0] tdata,
    input              taken,    // a beat is transferred in this cycle
    output reg [31:0]  value
);
  localparam [31:0] POLYNOMIAL = 32'h04C1_1DB7;
  localparam WORDS = (WIDTH + 31) / 32;
  wire [32*WORDS-1:0] padded = {{(32 * WORDS - WIDTH) {1'b0}}, tdata};
  wire [31:0] shifted = {value[30:0], 1'b0} ^ (POLYNOMIAL & {32{value[31]}});
  wire [32*WORDS+31:0] folded;  // word k: `shifted` with the first k words of the beat added
  assign folded[31:0] = shifted;
  genvar k;
  generate
    for (k = 0; k < WORDS; k = k + 1) begin : word
      localparam TURN = (7 * k) % 32;
      wire [31:0] data = padded[32*k+:32];
      wire [63:0] twice = {data, data} << TURN;
      assign folded[32*(k+1)+:32] = folded[32*k+:32] ^ twice[63:32];
    end
  endgenerate
  always @(posedge clk)
    if (restart) value <= 32'hFFFF_FFFF;
    else if (taken) value <= folded[32*WORDS+:32];
endmodule
