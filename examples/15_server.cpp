// A server around a cache, put through what happens to servers: a queue that is full, deadlines, a new model, traffic,
// somebody who holds all pages, the end. The server is server/server.hpp; docs/guide/serve.md goes through it.
//
// Real time, with threads: which worker serves whom, and what of the cache, differs from run to run. What must not is checked:
// every request is answered once, and with the score that it has without a cache.
#include <server/server.hpp>

#include <cstdio>
#include <deque>
#include <exception>
#include <iostream>
#include <string>

using namespace serving;

struct client
{
  user_id user{};
  token_count history = 0;
  std::future<answer> answered;

  answer get()
  {
    const answer a = answered.get();
    if (a.how != way::shed && a.score != running_sum{a.model}.score_alone(user, history)) {
      throw error("a score is not what it is without a cache");
    }
    return a;
  }
};

client ask(server& s, std::uint64_t user, token_count history, std::chrono::nanoseconds within = 60s)
{
  return {user_id{user}, history, s.submit(user_id{user}, history, within)};
}

void require(bool right, const char* what)
{
  if (!right) throw error(what);
}

// Before the server is open: what the door, a deadline and a new model do, without chance.
void show_waiting(server& s)
{
  std::deque<client> waiting;
  waiting.push_back(ask(s, 0, 900));     // larger than the slab
  waiting.push_back(ask(s, 1, 80, 0s));  // its time is over before its turn comes
  for (std::uint64_t user = 2; user < 12; ++user) waiting.push_back(ask(s, user, 80));  // the queue has room for six
  waiting.push_back(ask(s, 12, 5000));  // larger than anything that is served
  s.roll_over(std::make_shared<running_sum>(running_sum{epoch_id{1}}));
  s.open(2);
  for (client& c : waiting) c.get();
  require(s.answers() == answer_counts{0, 6, 1, 6, 0}, "what waited was answered in another way");
}

// Traffic in a closed loop, and new models under it.
void show_traffic(server& s)
{
  const answer_counts before = s.answers();
  std::deque<client> under_way;
  for (std::uint64_t i = 0; i < 240; ++i) {
    if (i % 60 == 30) s.roll_over(std::make_shared<running_sum>(running_sum{epoch_id{2 + i / 60}}));
    const token_count history = i % 24 == 0 ? 1000 : static_cast<token_count>(80 + i / 2);
    under_way.push_back(ask(s, i * i % 17, history));
    if (under_way.size() < 6) continue;
    under_way.front().get();
    under_way.pop_front();
  }
  for (client& c : under_way) c.get();
  const answer_counts now = s.answers();
  require(now[0] + now[1] == before[0] + before[1] + 230 && now[2] == before[2] + 10 && now[3] == before[3],
          "not everybody was served");
}

// Somebody holds all pages: who cannot wait is told in time, who can is woken.
void show_pressure(emulated_device& device, server& s)
{
  const auto turned_away = [&s] {
    const counters::snapshot now = s.cache().tracker().get<counters>().read();
    return now.pressure_for[static_cast<std::size_t>(pressure::reason::held)];
  };
  const request all{.user = user_id{100}, .history_tokens = 24 * 16, .epoch = s.cache().epoch()};
  auto lease = s.cache().prepare({&all, 1}, device.create_stream("somebody"), {.label = 4711}).value();
  require(ask(s, 101, 40, 20ms).get().how == way::shed, "who cannot wait was not told");
  const std::uint64_t before = turned_away();
  client patient = ask(s, 102, 40);
  while (turned_away() == before) std::this_thread::sleep_for(1ms);
  for (const lease_info& l : s.cache().leases()) {
    std::printf("lease %llu holds %llu pages\n", static_cast<unsigned long long>(l.label),
                static_cast<unsigned long long>(l.pages));
  }
  lease.release();
  require(patient.get().how == way::served && turned_away() == before + 1, "who waits is woken, and does not poll");
}

// Who waits is answered, who comes later is not.
void show_shutdown(server& s)
{
  std::deque<client> last;
  for (std::uint64_t user = 0; user < 6; ++user) last.push_back(ask(s, user, 160));
  require(s.cache().health().is == cache_health::state::good, "the cache is not well");
  s.close();
  for (client& c : last) require(c.get().how == way::served, "who waited was not served");
  require(ask(s, 1, 80).get().how == way::shed, "a closed server takes requests");
}

int main()
{
  constexpr token_count page_tokens = 16;
  const std::size_t page = page_bytes(running_sum::shape, page_tokens);
  // The device's memory: 24 pages for the cache, and 64 kept back for one history of up to 1,024 tokens.
  emulated_device device({.device_bytes = (24 + 64) * page, .to_device = {.latency_seconds = 20e-6}});
  server s(device,
           {.cache = {.shape = running_sum::shape,
                      .tiers = {{.bytes = 24 * page}, {.bytes = 400 * page}},
                      .layout = {.page_tokens = page_tokens, .chunk = 64}},
            .beside_tokens = 1024,
            .most_waiting = 8,
            .serving_takes = 1ms,
            .prefetch = {.budget_pages = 12, .displaced_pages = 12, .step_pages = 4}},
           std::make_shared<running_sum>());
  try {
    show_waiting(s);
    show_traffic(s);
    show_pressure(device, s);
    require(s.cache().leases().empty(), "a lease is left");
    const std::string metrics = s.metrics();
    const prefetch_figures ahead = s.prefetched();
    require(ahead.launched == ahead.taken + ahead.cancelled && ahead.queued_tokens != 0, "a prefetch was forgotten");
    std::printf("%llu tokens came ahead of their requests\n%s", static_cast<unsigned long long>(ahead.queued_tokens),
                metrics.substr(metrics.find("# HELP server_answers")).c_str());
    show_shutdown(s);
  } catch (const std::exception& e) {
    std::printf("FAILED: %s\n", e.what());
    s.cache().tracker().get<event_ring<1024>>().write(std::cerr);
    return 1;
  }
  std::puts("Every request was answered once, with the score that it has without a cache.");
  return 0;
}
