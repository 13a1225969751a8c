// The readers of traces, with any bytes: --format says which one. Whatever a file holds, it is read or refused with a
// sentence; in chunks of any size it is the same trace; nothing that is said of it holds a byte that moves a terminal.
#include "fuzz/fuzz.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/footprint.hpp>
#include <kvstrata/simulate/printable_text.hpp>
#include <kvstrata/simulate/readers/open_trace.hpp>
#include <kvstrata/simulate/trace_remarks.hpp>

#ifdef FUZZ_HAS_ZSTD
#include <kvstrata/simulate/unpack/zstd.hpp>
#endif
#ifdef FUZZ_HAS_ZLIB
#include <kvstrata/simulate/unpack/gzip.hpp>
#endif

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::require;

trace_format format = trace_format::csv;

std::unique_ptr<unpacker> unpack([[maybe_unused]] packing by)
{
#ifdef FUZZ_HAS_ZSTD
  if (by == packing::zstd) return make_zstd_unpacker();
#endif
#ifdef FUZZ_HAS_ZLIB
  if (by == packing::gzip) return make_gzip_unpacker();
#endif
  return nullptr;
}

/// A file in memory.
class memory_file
{
 public:
  explicit memory_file(std::span<const std::byte> bytes) : number_(::memfd_create("trace", 0))
  {
    require(number_ >= 0, "a file in memory can be made");
    require(::write(number_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "it can be written");
  }
  memory_file(const memory_file&) = delete;
  memory_file& operator=(const memory_file&) = delete;
  ~memory_file() { ::close(number_); }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(number_); }

 private:
  int number_;
};

struct outcome
{
  std::vector<trace_access> accesses;
  std::string refusal;
  trace_notes notes;

  friend bool operator==(const outcome& a, const outcome& b)
  {
    return a.accesses == b.accesses && a.refusal == b.refusal;
  }
};

/// Up to the first refusal, and no further than `most`: a row may stand for a thousand million requests.
outcome read(const std::string& path, const trace_options& options, std::size_t chunk)
{
  constexpr std::size_t most = 4096;
  outcome out;
  try {
    any_source source = open_trace(path, options);
    std::vector<trace_access> got(chunk);
    double before = 0;
    while (const std::size_t count = source.read(got)) {
      require(count <= chunk, "no more is read than was asked for");
      require(source.progress() >= before && source.progress() <= 1, "progress goes up to 1");
      before = source.progress();
      out.accesses.insert(out.accesses.end(), got.begin(), got.begin() + static_cast<std::ptrdiff_t>(count));
      if (out.accesses.size() >= most) break;
    }
    out.notes = source.notes();
  } catch (const data_error& refused) {
    out.refusal = refused.what();
    require(out.refusal.find(path) == 0, "a refusal begins with the file");
    require(printable(out.refusal) == out.refusal, "a refusal holds characters only");
  }
  // Accesses of a chunk whose later part was refused are not handed out: only what all chunks show can be compared.
  if (!out.refusal.empty()) out.accesses.clear();
  if (out.accesses.size() > most) out.accesses.resize(most);
  return out;
}

void look_at(const outcome& o)
{
  footprint_counter counter(64);
  for (const trace_access& one : o.accesses) counter.add(one);
  const footprint f = counter.result();
  std::vector<std::string> said = trace_remarks(f, o.notes);
  said.push_back(times_text(f, o.notes));
  for (const std::string& one : said) require(printable(one) == one, "a remark holds characters only");
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(const int* count, char*** arguments)
{
  constexpr std::string_view option = "--format=";
  for (int k = 1; k < *count; ++k) {
    const std::string_view one = (*arguments)[k];
    if (!one.starts_with(option)) continue;
    bool known = false;
    for (const trace_format named : trace_formats) {
      if (name_of(named) != one.substr(option.size())) continue;
      format = named;
      known = true;
    }
    require(known, "--format names a format");
  }
  return 0;
}

void kvstrata_test::fuzz(std::span<const std::byte> input)
{
  const memory_file file(input);
  for (const id_kind ids : {id_kind::number, id_kind::text, id_kind::hex}) {
    trace_options options{.format = format, .ids = ids, .unpack = &unpack};
    options.csv.ids = ids;
    options.mooncake.ids = ids;
    options.kuairand.requests.stream = request_stream::interaction;
    options.kuairand.drop_repeated = ids == id_kind::text;
    options.zeros = ids == id_kind::hex ? zero_sizes::serve : zero_sizes::skip;
    const outcome whole = read(file.path(), options, 1000);
    require(whole == read(file.path(), options, 3), "chunks do not matter");
    look_at(whole);
    const bool has_ids =
        format == trace_format::csv || format == trace_format::mooncake || format == trace_format::lirs_blocks;
    if (!has_ids && format != trace_format::kuairand) break;
  }
}
