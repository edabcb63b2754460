// Runs a CXXRTL model of the accelerator: <images' input beats> in, output beats and cycles out.
//   model INPUT_FILE OUTPUT_FILE OUTPUT_BEATS
// A beat is padded to whole bytes, least significant first. Prints the cycles until the last one.
#include "design.cpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

template <size_t Bits>
void load(cxxrtl::value<Bits>& to, const char* from) {
    std::memcpy(to.data, from, (Bits + 7) / 8);
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    std::ifstream file(argv[1], std::ios::binary);
    const std::vector<char> input{std::istreambuf_iterator<char>(file), {}};
    const size_t wanted = std::strtoull(argv[3], nullptr, 10);
    cxxrtl_design::p_accelerator top;
    constexpr size_t in_bytes = (decltype(top.p_s__axis__tdata)::bits + 7) / 8;
    constexpr size_t out_bytes = (decltype(top.p_m__axis__tdata)::bits + 7) / 8;
    std::vector<char> output;
    unsigned long cycles = 0;
    size_t sent = 0;
    top.p_rst__n.set<bool>(false);
    top.p_m__axis__tready.set<bool>(true);
    for (int k = 0; output.size() < wanted * out_bytes; ++k) {
        const bool offered = k > 1 && (sent + 1) * in_bytes <= input.size();
        if (k > 1) top.p_rst__n.set<bool>(true);
        if (offered) load(top.p_s__axis__tdata, &input[sent * in_bytes]);
        top.p_s__axis__tvalid.set<bool>(offered);
        top.p_clk.set<bool>(false);
        top.step();
        if (k > 1) {
            ++cycles;
            if (offered && top.p_s__axis__tready.get<bool>()) ++sent;
            if (top.p_m__axis__tvalid.get<bool>()) {
                const char* bytes = reinterpret_cast<const char*>(top.p_m__axis__tdata.data);
                output.insert(output.end(), bytes, bytes + out_bytes);
            }
        }
        top.p_clk.set<bool>(true);
        top.step();
    }
    std::ofstream(argv[2], std::ios::binary).write(output.data(), long(output.size()));
    std::printf("%lu\n", cycles);
    return 0;
}
