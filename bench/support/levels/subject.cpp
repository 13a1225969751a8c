// A cache that serves a stream and is measured at it: by callgrind, by the clock, by what malloc has given out. One
// process for one cache, so that the same lines can be compiled against an older checkout and run beside.
//
//   levels_subject ACTION CACHE STREAM DEVICE_PAGES HOST_PAGES FROM TO
//
// CACHE is default, mtserve or one_page; STREAM a file (stream.hpp). Batches before FROM are served first, unmeasured.
//
//   instructions   serves [FROM, TO) in levels_measured(), which is what callgrind is told to count
//   counts         says what these batches were served from, and the copies' pieces
//   bytes          says the heap's bytes before there is a cache, when it is empty, and when all was served
//   time           says "ready", then serves as many batches as each line of its input asks for, and says the seconds
//                  of this thread that they took; ends with its input
#ifndef KVSTRATA_LEVELS_ADAPTER
#define KVSTRATA_LEVELS_ADAPTER "adapter_now.hpp"
#endif
#include KVSTRATA_LEVELS_ADAPTER

#include <malloc.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): clock_gettime is POSIX's

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else  // what comes before is counted, too, and left out by --toggle-collect: slower, but the same
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#endif

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace levels;

struct task
{
  std::string action;
  std::string cache;
  std::string stream;
  std::size_t device_pages;
  std::size_t host_pages;
  std::size_t from;
  std::size_t to;
};

template <class Server>
[[gnu::noinline]] void levels_measured(Server& server, std::span<const library::batch> batches)
{
  for (const library::batch& b : batches) server.serve(b);
}

std::size_t heap_bytes()
{
  const struct ::mallinfo2 now = ::mallinfo2();
  return now.uordblks + now.hblkhd;
}

double thread_seconds()
{
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <class Server>
void answer_lines(Server& server, std::span<const library::batch> batches)
{
  std::puts("ready");
  std::fflush(stdout);
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    const std::size_t wanted = std::strtoull(line, nullptr, 10);
    if (wanted == 0 || wanted > batches.size()) throw std::runtime_error("there are not so many batches left");
    const double before = thread_seconds();
    levels_measured(server, batches.first(wanted));
    const double after = thread_seconds();
    std::printf("%.9f\n", after - before);
    std::fflush(stdout);
    batches = batches.subspan(wanted);
  }
}

template <template <class> class Cache>
void run(const task& t, const stream& s)
{
  std::vector<library::batch> batches;
  for (std::size_t b = 0; b < t.to; ++b) batches.push_back(library::to_batch(s.batch(b)));
  const std::span<const library::batch> all(batches);
  const auto warm_up = all.first(t.from);
  const auto measured = all.subspan(t.from);

  if (t.action == "counts") {
    library::server<Cache<library::counters>> server(t.device_pages, t.host_pages);
    levels_measured(server, warm_up);
    const library::told before = server.read();
    levels_measured(server, measured);
    const library::told after = server.read();
    const auto ll = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf("%llu %llu %llu %llu\n", ll(after.device_tokens - before.device_tokens),
                ll(after.host_tokens - before.host_tokens), ll(after.computed_tokens - before.computed_tokens),
                ll(after.pieces - before.pieces));
    return;
  }
  const std::size_t without = heap_bytes();
  library::server<Cache<library::no_tracker>> server(t.device_pages, t.host_pages);
  const std::size_t empty = heap_bytes();
  for (const library::batch& b : warm_up) server.serve(b);
  if (t.action == "instructions") {
    CALLGRIND_START_INSTRUMENTATION;
    levels_measured(server, measured);
    CALLGRIND_STOP_INSTRUMENTATION;
  } else if (t.action == "bytes") {
    levels_measured(server, measured);
    std::printf("%zu %zu %zu\n", without, empty, heap_bytes());
  } else if (t.action == "time") {
    answer_lines(server, measured);
  } else {
    throw std::runtime_error("there is no action " + t.action);
  }
}

std::size_t number(const char* text)
{
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0') throw std::runtime_error(std::string(text) + " is no number");
  return value;
}

}  // namespace

int main(int argc, char** argv)
try {
  if (argc != 8) throw std::runtime_error("seven arguments are wanted: see the head of subject.cpp");
  const task t{argv[1], argv[2], argv[3], number(argv[4]), number(argv[5]), number(argv[6]), number(argv[7])};
  const stream s = read_stream(t.stream);
  if (t.from > t.to || t.to > s.batches()) {
    throw std::runtime_error("the stream " + t.stream + " has " + std::to_string(s.batches()) + " batches, but " +
                             std::to_string(t.from) + " to " + std::to_string(t.to) + " are wanted");
  }
  if (t.cache == "default") run<library::default_cache>(t, s);
  else if (t.cache == "mtserve") run<library::mtserve_cache>(t, s);
  else if (t.cache == "one_page") run<library::one_page_cache>(t, s);
  else throw std::runtime_error("there is no cache " + t.cache);
  return 0;
} catch (const std::exception& wrong) {
  std::fprintf(stderr, "levels_subject: %s\n", wrong.what());
  return 2;
}
