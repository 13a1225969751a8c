// A sample of docs/concepts/tracker.md.
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/observe/events.hpp>

#include <cstdint>

// How many tokens were evicted; nothing else is told, or costs anything.
struct evicted_tokens
{
  std::uint64_t tokens = 0;
  void on(const kvstrata::tokens_evicted& event) noexcept { tokens += event.tokens; }
};
static_assert(kvstrata::tracks<evicted_tokens, kvstrata::tokens_evicted>);

#ifndef KVSTRATA_RIGHT
// says: a tracker's on(event) must be noexcept
struct may_throw
{
  void on(const kvstrata::tokens_evicted&) {}
};
static_assert(kvstrata::tracker<may_throw>);
#endif
