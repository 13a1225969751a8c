// A server around a cache, to be taken to pieces and built into another: a queue, workers with a stream each, deadlines,
// pressure, histories too large for the slab, new models, prefetching, metrics, overload, shutdown. docs/guide/serve.md goes
// through it.
#pragma once

#include <kvstrata/ahead/prefetcher.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/cache/prometheus.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/observe/event_ring.hpp>
#include <kvstrata/observe/prometheus.hpp>
#include <kvstrata/observe/trackers.hpp>

#include <server/running_sum.hpp>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace serving {

using namespace kvstrata;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

using cache_type = default_cache<emulated_device, lru, trackers<counters, event_ring<1024>>>;
using model_pointer = std::shared_ptr<const running_sum>;  // a model lives as long as somebody computes with it

// asked_again: served by a newer model than the one it was submitted to. beside: too large for the slab. shed: not served.
enum class way : std::uint8_t { served, asked_again, beside, shed, failed };
constexpr std::array way_names = {"served", "asked_again", "beside", "shed", "failed"};
using answer_counts = std::array<std::uint64_t, way_names.size()>;

struct answer
{
  way how = way::shed;
  float score = 0;
  epoch_id model{};
  const char* why = "";  // of shed
};

struct server_config
{
  cache_type::config cache;
  token_count beside_tokens = 0;              // the longest history that is served at all
  std::size_t most_waiting = 0;               // requests in the queue
  std::chrono::nanoseconds serving_takes{0};  // who has less left is too late
  prefetcher<cache_type>::config prefetch = {};
};

class server
{
 public:
  // Requests may be submitted at once; they are answered from open() on.
  server(emulated_device& device, const server_config& config, model_pointer first)
      : device_(device),
        config_(config),
        beside_(device.allocate_device(beside_pages() * page_bytes(running_sum::shape, page_tokens()), "beside")),
        cache_(device, config.cache),
        ahead_(cache_, config.prefetch),
        newest_(std::move(first))
  {
  }
  ~server() { close(); }

  void open(std::size_t workers)
  {
    for (std::size_t i = 0; i < workers; ++i) {
      const stream_id compute = device_.create_stream("compute " + std::to_string(i));
      workers_.emplace_back([this, compute] { work(compute); });
    }
  }

  // The door: answers no at once rather than late.
  std::future<answer> submit(user_id user, token_count history, std::chrono::nanoseconds within)
  {
    job j;
    j.what = {.user = user, .history_tokens = history};
    j.deadline = steady::now() + within;
    std::future<answer> out = j.answered.get_future();
    const std::lock_guard lock(mutex_);
    if (const char* const why = turned_away(history)) {
      give(j, {.why = why});
      return out;
    }
    j.number = ++submitted_;
    j.model = newest_;
    j.what.epoch = newest_->epoch;
    if (fits_slab(history)) j.turn = ahead_.launch(j.what, stop_rule::best_effort());
    queue_.push_back(std::move(j));
    somebody_waits_.notify_one();
    ahead_.poll(seconds());
    return out;
  }

  // Both under the lock: who is told that a request is stale finds the new model.
  void roll_over(model_pointer next)
  {
    const std::lock_guard lock(mutex_);
    cache_.advance_epoch(next->epoch, next->shape);
    newest_ = std::move(next);
  }

  // Who waits is still answered.
  void close()
  {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    somebody_waits_.notify_all();
    for (std::thread& w : workers_) w.join();
    workers_.clear();
    for (job& j : queue_) give(j, {.why = "closing"});  // of a server that was never opened
    queue_.clear();
    cache_.close();
  }

  std::string metrics()
  {
    std::ostringstream out;
    prometheus_writer to(out, {{"cache", "example"}});
    write_prometheus(to, cache_.tracker().get<counters>().read());
    write_prometheus(to, cache_.stats());
    write_prometheus(to, cache_.health());
    const std::lock_guard lock(mutex_);
    to.use_prefix("server_");
    for (std::size_t i = 0; i < answers_.size(); ++i) {
      to.counter("answers", "Requests answered.", answers_[i], {{"how", way_names[i]}});
    }
    to.gauge("waiting", "Requests in the queue.", std::uint64_t{queue_.size()});
    to.finish();
    return out.str();
  }

  cache_type& cache() { return cache_; }
  prefetch_figures prefetched() const
  {
    const std::lock_guard lock(mutex_);
    return ahead_.figures();
  }
  answer_counts answers() const
  {
    const std::lock_guard lock(mutex_);
    return answers_;
  }

 private:
  struct job
  {
    request what;
    steady::time_point deadline;
    std::uint64_t number = 0;
    prefetch_ticket turn;  // of the prefetcher; nobody's for those that do not fit
    model_pointer model;
    std::promise<answer> answered;
  };

  // What the kernels of a request read and write on the host: it lives until they are over, the lease may end before.
  struct pass
  {
    model_pointer model;
    request what;
    request_rows rows;
    std::vector<token_interval> compute;
    float score = 0;
  };

  token_count page_tokens() const { return config_.cache.layout.page_tokens; }
  std::size_t beside_pages() const { return pages_of({0, config_.beside_tokens}, page_tokens()).size(); }
  bool fits_slab(token_count history) const
  {
    return pages_of({0, history}, page_tokens()).size() * page_bytes(running_sum::shape, page_tokens()) <=
           std::get<0>(config_.cache.tiers).bytes;
  }
  std::chrono::nanoseconds time_left(const job& j) const { return j.deadline - steady::now() - config_.serving_takes; }
  static double seconds() { return std::chrono::duration<double>(steady::now().time_since_epoch()).count(); }

  void work(stream_id compute)
  {
    for (;;) {
      std::unique_lock lock(mutex_);
      somebody_waits_.wait(lock, [&] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job j = std::move(queue_.front());
      queue_.pop_front();
      try {
        if (time_left(j) > 0ns) ahead_.take(j.turn);
        else ahead_.cancel(j.turn);
        ahead_.poll(seconds());
        lock.unlock();
        const answer a = fits_slab(j.what.history_tokens) ? serve(j, compute) : serve_beside(j, compute);
        lock.lock();
        give(j, a);
      } catch (...) {  // the client hears of it, and the next request is served
        if (!lock) lock.lock();
        ++answers_[static_cast<std::size_t>(way::failed)];
        j.answered.set_exception(std::current_exception());
      }
    }
  }

  answer serve(job& j, stream_id compute)
  {
    way how = way::served;
    for (;;) {
      const std::chrono::nanoseconds left = time_left(j);
      if (left <= 0ns) return {.why = "too late"};
      auto lease = cache_.prepare({&j.what, 1}, compute, {.label = j.number});
      if (lease) return {how, compute_under(*lease, j, compute), j.model->epoch};
      if (lease.why().why == pressure::reason::stale_epoch) {
        const std::lock_guard lock(mutex_);
        j.model = newest_;
        j.what.epoch = newest_->epoch;
        how = way::asked_again;
      } else {
        cache_.wait_sync(lease.why(), left);  // until there is room, or it is too late
      }
    }
  }

  float compute_under(cache_type::lease& lease, const job& j, stream_id compute)
  {
    const auto todo = lease.compute(0);
    const auto p =
        std::make_shared<pass>(pass{j.model, j.what, request_rows::of(lease.view()), {todo.begin(), todo.end()}});
    for (layer_index layer = 0; layer < running_sum::shape.layers; ++layer) {
      lease.wait(layer);
      queue_layer(p, layer, compute);
      lease.layer_done(layer);
    }
    lease.finish();  // all is queued: the pages go on to whoever comes next on the device
    device_.wait_sync(device_.record(compute));
    return p->score;
  }

  // In memory of our own, one at a time, by the same kernels.
  answer serve_beside(job& j, stream_id compute)
  {
    const std::lock_guard alone(beside_mutex_);
    if (time_left(j) <= 0ns) return {.why = "too late"};
    const auto p = std::make_shared<pass>(pass{j.model,
                                               j.what,
                                               request_rows::in(beside_.data(), beside_.size(), page_tokens()),
                                               {{0, j.what.history_tokens}}});
    for (layer_index layer = 0; layer < running_sum::shape.layers; ++layer) queue_layer(p, layer, compute);
    device_.wait_sync(device_.record(compute));
    return {way::beside, p->score, j.model->epoch};
  }

  void queue_layer(const std::shared_ptr<pass>& p, layer_index layer, stream_id compute)
  {
    device_.launch(compute, {.label = "layer"},
                   [p, layer] { p->score += p->model->run(p->what, layer, p->rows, p->compute); });
  }

  const char* turned_away(token_count history) const
  {
    if (closing_) return "closing";
    if (history == 0 || history > config_.beside_tokens) return "no such history is served";
    return queue_.size() < config_.most_waiting ? nullptr : "the queue is full";
  }

  void give(job& j, const answer& a)  // under the lock
  {
    ++answers_[static_cast<std::size_t>(a.how)];
    j.answered.set_value(a);
  }

  emulated_device& device_;
  const server_config config_;
  emulated_device::memory beside_;
  std::mutex beside_mutex_;
  cache_type cache_;

  mutable std::mutex mutex_;  // of what follows; taken before the cache's, never behind it
  std::condition_variable somebody_waits_;
  std::deque<job> queue_;
  prefetcher<cache_type> ahead_;
  model_pointer newest_;
  std::uint64_t submitted_ = 0;
  answer_counts answers_{};
  bool closing_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace serving
