// The requests of a trace of users as accesses: KuaiRand, the synthetic workload, or any kvstrata::trace.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/simulate/input_file.hpp>
#include <kvstrata/simulate/kuairand.hpp>
#include <kvstrata/simulate/synthetic.hpp>
#include <kvstrata/simulate/trace.hpp>
#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// An access is a request: the key is the user as the trace's source numbers them, the tokens are the history at that
/// time, the bytes those tokens', at least 1. Holds the trace in memory. Can be read again.
class request_source
{
 public:
  /// Bytes of a token's keys and values: 16 KiB in the MTServe paper's model.
  static constexpr std::uint64_t paper_token_bytes = 16 * 1024;

  /// Of the trace, looks at name, users and requests only. `files`: where it was read; `notes`: what was found there.
  /// Throws config_error.
  explicit request_source(trace whole, std::uint64_t token_bytes = paper_token_bytes,
                          std::vector<std::filesystem::path> files = {}, trace_notes notes = {.time_unit = "ms"})
      : trace_(std::move(whole)), token_bytes_(token_bytes), files_(std::move(files)), notes_(std::move(notes))
  {
    if (notes_.hit.empty()) notes_.hit = user_hit;
    constexpr std::uint64_t most = most_object_bytes >> 32;  // a history has less than 2^32 tokens
    if (token_bytes == 0) throw config_error("token_bytes", 0, "it must be at least 1");
    if (token_bytes > most) throw config_error("token_bytes", token_bytes, "it may be at most 2^28");
  }

  /// What a hit is.
  static constexpr std::string_view user_hit =
      "the user's history, as it was at an earlier request, is in the cache; what the user did since must be computed "
      "all "
      "the same";

  std::size_t read(std::span<trace_access> out)
  {
    const std::size_t count = (std::min)(out.size(), trace_.requests.size() - at_);
    for (trace_access& access : out.first(count)) {
      const trace_request& asked = trace_.requests[at_++];
      access = trace_access{.key = to_number(trace_.users[asked.user]),
                            .time_ms = asked.time_ms,
                            .bytes = (std::max)(std::uint64_t{1}, asked.history * token_bytes_),
                            .tokens = asked.history};
    }
    return count;
  }

  /// Goes back to the first request.
  void rewind() noexcept { at_ = 0; }

  [[nodiscard]] const trace& held() const noexcept { return trace_; }
  [[nodiscard]] std::string_view name() const noexcept { return trace_.name; }
  [[nodiscard]] double progress() const noexcept
  {
    return trace_.requests.empty() ? 0 : static_cast<double>(at_) / static_cast<double>(trace_.requests.size());
  }
  [[nodiscard]] const std::vector<std::filesystem::path>& files() const noexcept { return files_; }
  [[nodiscard]] const trace_notes& notes() const noexcept { return notes_; }

 private:
  trace trace_;
  std::uint64_t token_bytes_;
  std::vector<std::filesystem::path> files_;
  trace_notes notes_;
  std::size_t at_ = 0;
};

namespace detail {

/// A log says what users saw, not when they asked: the more events count as requests, the more of them hit.
[[nodiscard]] constexpr std::string_view user_hit_of(request_stream stream) noexcept
{
  if (stream == request_stream::session) return request_source::user_hit;
  return "the user's history, as it was at an earlier request, is in the cache; most requests here follow another one "
         "of "
         "their user within minutes and hit whatever the policy, so the stricter count is that of returns, --stream "
         "session";
}

}  // namespace detail

/// The requests of KuaiRand, from a log or a folder: see read_kuairand(). Holds the trace in memory.
[[nodiscard]] inline request_source kuairand_accesses(const std::filesystem::path& where,
                                                      const kuairand_options& options = {},
                                                      std::uint64_t token_bytes = request_source::paper_token_bytes)
{
  std::vector<std::filesystem::path> files = kuairand_files(where, options);
  trace_notes notes{.hit = detail::user_hit_of(options.requests.stream)};
  trace read = read_kuairand(files, options, &notes);
  return request_source(std::move(read), token_bytes, std::move(files), std::move(notes));
}

/// The same of one log, from where its file is.
[[nodiscard]] inline request_source kuairand_accesses(input_file log, const std::filesystem::path& where,
                                                      const kuairand_options& options = {},
                                                      std::uint64_t token_bytes = request_source::paper_token_bytes)
{
  std::vector<input_file> files;
  files.push_back(std::move(log));
  trace_notes notes{.hit = detail::user_hit_of(options.requests.stream)};
  trace read = read_kuairand(std::move(files), where.parent_path(), options, &notes);
  return request_source(std::move(read), token_bytes, {where}, std::move(notes));
}

/// The requests of the synthetic workload, without their events: 16 bytes a request, 12 a user. Throws config_error.
[[nodiscard]] inline request_source synthetic_accesses(const synthetic_config& config = {},
                                                       std::uint64_t token_bytes = request_source::paper_token_bytes)
{
  return request_source(draw_synthetic_requests(config), token_bytes);
}

static_assert(access_source<request_source>);

}  // namespace kvstrata
