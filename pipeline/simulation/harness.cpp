// Runs a verilated accelerator on a file of input beats, watching every stream at its producer.
// DESIGN_H is written by build.py: DESIGN_STREAMS(X) and DESIGN_FIFOS(X), one X per stream or FIFO.
// Arguments: see main. Writes result.txt ("key value ..." lines), output.bin, done.bin and
// stream_<k>.bin (the traced beats, each in whole bytes, least significant first).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include DESIGN_H

namespace {

struct Stream {
    const char* edge;
    const uint8_t* data;
    const uint8_t* valid;
    const uint8_t* ready;
    size_t bytes;
    uint64_t beats;  // per image
    uint64_t moved = 0;
    bool held = false;  // valid without ready in the cycle before
    std::vector<uint8_t> before;
    int64_t broken = -1;  // first cycle in which such a beat was gone or changed
    std::vector<uint8_t> trace;
};

struct Fifo {
    uint32_t* limit;
    const uint32_t* peak;
};

// xorshift64*: small, fast, the same on every machine
struct Random {
    uint64_t state;
    bool below(uint64_t share) {  // share of 2^32
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return ((state * 2685821657736338717ULL) >> 32) < share;
    }
};

std::vector<uint8_t> read_file(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_file(const std::string& name, const void* data, size_t bytes) {
    std::ofstream file(name, std::ios::binary);
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
}

// A beat that was offered and not taken must still be offered, unchanged.
void check_held(Stream& stream, uint64_t cycle) {
    if (stream.held && stream.broken < 0 &&
        (!*stream.valid || std::memcmp(stream.data, stream.before.data(), stream.bytes)))
        stream.broken = static_cast<int64_t>(cycle);
    stream.held = *stream.valid && !*stream.ready;
    if (stream.held) stream.before.assign(stream.data, stream.data + stream.bytes);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 10) return 2;
    const std::string folder = argv[1];  // holds input.bin, gets the results
    const uint64_t images = std::strtoull(argv[2], nullptr, 10);
    const uint64_t traced = std::strtoull(argv[3], nullptr, 10);
    const uint64_t seed = std::strtoull(argv[4], nullptr, 10);
    const uint64_t stall_input = std::strtoull(argv[5], nullptr, 10);   // of 2^32
    const uint64_t stall_output = std::strtoull(argv[6], nullptr, 10);  // of 2^32
    const uint64_t patience = std::strtoull(argv[7], nullptr, 10);  // cycles without a handshake
    const uint64_t most_cycles = std::strtoull(argv[8], nullptr, 10);
    const int limits = argc - 9;  // one per FIFO follows, 0: as built

    VerilatedContext context;
    // registers start at random values: nothing may rest on a power-up state
    context.randReset(2);
    context.randSeed(static_cast<int>(seed % 0x7fffffff) + 1);
    DESIGN_MODEL top{&context};
    auto* root = top.rootp;

    std::vector<Stream> streams;
#define X(edge, signal, width, beats)                                               \
    streams.push_back({edge, reinterpret_cast<const uint8_t*>(&root->signal##_tdata), \
                       &root->signal##_tvalid, &root->signal##_tready, (width + 7) / 8, beats});
    DESIGN_STREAMS(X)
#undef X
    std::vector<Fifo> fifos;
#define X(instance) fifos.push_back({&root->instance##__DOT__limit, &root->instance##__DOT__peak});
    DESIGN_FIFOS(X)
#undef X
    const Stream& first = streams[DESIGN_INPUT];
    const size_t in_bytes = first.bytes;
    Stream& last = streams[DESIGN_OUTPUT];
    const size_t out_bytes = last.bytes;
    const std::vector<uint8_t> input = read_file(folder + "/input.bin");
    const uint64_t to_send = images * first.beats, to_get = images * last.beats;
    if (input.size() != to_send * in_bytes) return 3;

    std::vector<uint8_t> output;
    output.reserve(to_get * out_bytes);
    std::vector<int64_t> done;
    int64_t first_accepted = -1;
    Random random{seed * 0x9E3779B97F4A7C15ULL + 0x1234567ULL};
    uint64_t sent = 0, received = 0, quiet = 0, cycle = 0;
    bool offered = false;

    top.rst_n = 0;
#if DESIGN_SIGNATURES
    top.signatures_restart = 1;
#endif
    top.s_axis_tvalid = 0;
    top.m_axis_tready = 0;
    // the first evaluation runs the initial blocks, so the limits go in behind it
    for (int k = 0; k < 2; ++k) {
        top.clk = 0;
        top.eval();
        for (int f = 0; k == 0 && f < limits; ++f) {
            const auto limit = static_cast<uint32_t>(std::strtoul(argv[9 + f], nullptr, 10));
            if (limit) *fifos[f].limit = limit;
        }
        top.clk = 1;
        top.eval();
    }
    top.rst_n = 1;
#if DESIGN_SIGNATURES
    top.signatures_restart = 0;
#endif

    // a layer may drop its last inputs: all is over when every stream has moved all its beats
    uint64_t to_move = 0;
    for (const Stream& stream : streams) to_move += images * stream.beats;
    while ((to_move || received < to_get) && quiet < patience && cycle < most_cycles) {
        if (!offered && sent < to_send && !random.below(stall_input)) {
            std::memcpy(&top.s_axis_tdata, &input[sent * in_bytes], in_bytes);
            offered = true;
        }
        top.s_axis_tvalid = offered;
        top.m_axis_tready = !random.below(stall_output);
        top.clk = 0;
        top.eval();
        bool moved = false;
        for (Stream& stream : streams) {
            if (traced) check_held(stream, cycle);
            if (!(*stream.valid & *stream.ready)) continue;
            moved = true;
            --to_move;
            if (stream.moved++ < traced * stream.beats)
                stream.trace.insert(stream.trace.end(), stream.data, stream.data + stream.bytes);
        }
        if (offered && top.s_axis_tready) {
            if (first_accepted < 0) first_accepted = static_cast<int64_t>(cycle);
            ++sent;
            offered = false;
        }
        if (top.m_axis_tvalid && top.m_axis_tready) {
            const auto* bytes = reinterpret_cast<const uint8_t*>(&top.m_axis_tdata);
            output.insert(output.end(), bytes, bytes + out_bytes);
            moved = true;
            if (++received % last.beats == 0) done.push_back(static_cast<int64_t>(cycle));
        }
        quiet = moved ? 0 : quiet + 1;
        top.clk = 1;
        top.eval();
        ++cycle;
    }

    std::ofstream result(folder + "/result.txt");
    result << "finished " << (received == to_get && !to_move) << "\ncycles " << cycle << "\nfirst_accepted "
           << first_accepted << "\nquiet " << quiet << "\n";
    for (const Stream& stream : streams)
        result << "stream " << stream.edge << " " << stream.moved << " " << int(*stream.valid)
               << " " << int(*stream.ready) << " " << stream.broken << "\n";
    for (const Fifo& fifo : fifos) result << "peak " << *fifo.peak << "\n";
    write_file(folder + "/output.bin", output.data(), output.size());
#if DESIGN_SIGNATURES
    write_file(folder + "/signatures.bin", &top.signatures, 4 * DESIGN_SIGNATURES);
#endif
    write_file(folder + "/done.bin", done.data(), done.size() * sizeof(int64_t));
    for (size_t k = 0; k < streams.size(); ++k)
        write_file(folder + "/stream_" + std::to_string(k) + ".bin", streams[k].trace.data(),
                   streams[k].trace.size());
    top.final();
    return 0;
}
