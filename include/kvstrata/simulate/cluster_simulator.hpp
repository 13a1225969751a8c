// A cluster of nodes behind a router, in virtual time: a simulation, whose figures are no measurements.
//
//   who has what   the cache of production on every node, without data (simulate/cluster_node.hpp). A placement says which items a node should
//                  have; at the beginning it has them, the hottest last, as far as its host memory goes
//   who serves     any router of production (routing/concepts.hpp), told of each node what it should have of the request, how many requests
//                  it has not answered, and what these and the request take it, which is known to the second here. Nodes answer one after the other, as they came: a prompt keeps the device busy by itself
//   users          every node has every user's history as of their last request, for which host memory is set aside on each (replicated), or
//                  only the node that served them has it
//   misses         are computed, as in RcLLM; nothing is fetched from another node, and what a placement moves is there at once
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/routing/affinity.hpp>
#include <kvstrata/routing/concepts.hpp>
#include <kvstrata/routing/placement/item_placement.hpp>
#include <kvstrata/simulate/catalogue.hpp>
#include <kvstrata/simulate/cluster_config.hpp>
#include <kvstrata/simulate/cluster_node.hpp>
#include <kvstrata/simulate/cluster_report.hpp>
#include <kvstrata/simulate/listed_items.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// For one thread. O(nodes) a request, but for the caches.
template <router Router = affinity_router, class Cache = node_cache>
class cluster_simulator
{
 public:
  /// The catalogue must outlive it. Node n has the id n + 1. `placement`: of those ids; none: nobody keeps items. Throws config_error, also where
  /// the histories of all users do not leave a node half of its host memory.
  cluster_simulator(const cluster_config& config, const catalogue& items, Router route = Router(),
                    item_placement placement = item_placement())
      : config_((check(config), config)),
        items_(&items),
        route_(std::move(route)),
        placement_(std::move(placement)),
        user_bytes_(bytes_set_aside(config, items.config())),
        served_by_(items.config().users, config.nodes),
        history_(items.config().users),
        list_(items, config.nodes)
  {
    require_known(placement_);
    for (std::uint32_t n = 0; n < config.nodes; ++n) {
      nodes_.push_back({.served = cluster_node<Cache>(config.node, config.node.machine.host_bytes - user_bytes_)});
      summaries_.push_back(node_summary{.id = n + 1});
      report_.nodes.push_back(node_figures{.id = n + 1, .user_bytes = user_bytes_});
    }
  }

  /// Every node has what the placement says, the items of `ascending` in this order, the last most recently. O(items x nodes of each).
  void take_in(std::span<const std::uint32_t> ascending)
  {
    std::vector<std::vector<prompt_item>> of(nodes_.size());
    for (const std::uint32_t item : ascending) {
      const prompt_item one{.key = items_->key_of(item), .tokens = items_->tokens_of(item), .is_kept = true};
      for (const std::uint32_t home : placement_.homes_of(one.key)) {
        if (home != item_placement::everywhere) of[home].push_back(one);
        else
          for (auto& its : of) its.push_back(one);
      }
    }
    for (std::size_t n = 0; n < nodes_.size(); ++n) nodes_[n].served.take_in(of[n]);
  }

  /// A request comes. Throws usage_error when it comes before the one in front of it.
  void add(const list_request& asked)
  {
    if (!(asked.seconds >= now_)) {
      throw usage_error("the requests go back in time, from " + std::to_string(now_) + " s to " +
                        std::to_string(asked.seconds) + " s; sort them");
    }
    pass(asked.seconds);
    if (seen_ == config_.warm_up) first_ = now_;
    const bool counts = seen_++ >= config_.warm_up;
    if (counts) ++report_.requests;
    send({.asked = asked, .counts = counts}, now_);
  }

  /// From now on nodes should have what another placement says; what they have beyond it is asked for no more. Throws config_error for one
  /// with other nodes than there are.
  void place(item_placement placement)
  {
    require_known(placement);
    placement_ = std::move(placement);
  }

  /// A node vanishes now, with all it has; what it has not answered goes to others. Its items are nobody's until they are placed anew. Throws
  /// config_error for a node that there is not, or that is gone already.
  void lose(std::size_t node)
  {
    if (node >= nodes_.size()) {
      throw config_error("the node that vanishes", node, "there are only " + std::to_string(nodes_.size()));
    }
    if (summaries_[node].is_draining) throw config_error("the node that vanishes", node, "it is gone already");
    summaries_[node].is_draining = true;
    report_.nodes[node].is_gone = true;
    std::deque<job> left;
    left.swap(nodes_[node].queue);
    for (job& one : left) {
      if (one.counts) {
        ++report_.rerouted;
        take_back(node, one.answer);
      }
      send({.asked = std::move(one.asked), .counts = one.counts}, now_);
    }
  }

  /// Answers what waits. Nothing may be added afterwards.
  [[nodiscard]] cluster_report finish()
  {
    const double end = now_;
    pass(std::numeric_limits<double>::infinity());
    report_.arriving_seconds = end - first_;
    report_.drain_seconds = (std::max)(last_ - end, 0.0);
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      const cache_stats has = nodes_[n].served.stats();
      report_.nodes[n].slab_bytes = report_.nodes[n].is_gone ? 0 : has.levels[0].resident_bytes;
      report_.nodes[n].arena_bytes = report_.nodes[n].is_gone ? 0 : has.levels[1].resident_bytes;
      if (config_.replicate_users && !report_.nodes[n].is_gone) {
        for (std::uint32_t user = 0; user < history_.size(); ++user) {
          if (history_[user] != 0) nodes_[n].served.forget(user_id{user});
        }
        report_.nodes[n].set_aside_bytes =
            report_.nodes[n].arena_bytes - nodes_[n].served.stats().levels[1].resident_bytes;
      }
    }
    return std::move(report_);
  }

  [[nodiscard]] const item_placement& placement() const noexcept { return placement_; }
  /// What has come of it so far; of requests that are answered.
  [[nodiscard]] const cluster_report& report() const noexcept { return report_; }

 private:
  struct job
  {
    list_request asked;
    bool counts = false;
    double end = 0;
    node_answer answer{};
  };
  struct station
  {
    cluster_node<Cache> served;
    double free = 0;          // when it has answered all
    std::deque<job> queue{};  // not answered yet
  };

  void require_known(const item_placement& placement) const
  {
    const auto ids = placement.nodes();
    for (std::size_t n = 0; n < ids.size(); ++n) {
      if (n < config_.nodes && ids[n] == n + 1) continue;
      throw config_error("node " + std::to_string(n) + " of the placement", ids[n],
                         "the cluster's are numbered from 1 to " + std::to_string(config_.nodes) + ", in this order");
    }
  }

  /// Answers everything until then.
  void pass(double until)
  {
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      auto& queue = nodes_[n].queue;
      while (!queue.empty() && queue.front().end <= until) {
        const job& one = queue.front();
        last_ = (std::max)(last_, one.end);
        if (one.counts) note(one);
        queue.pop_front();
      }
    }
    if (until < std::numeric_limits<double>::infinity()) now_ = until;
  }

  void note(const job& one)
  {
    const double seconds = one.end - one.asked.seconds;
    const std::size_t items = one.asked.items.size();
    report_.first_token.add(seconds);
    report_.slow.add(seconds, (std::max)(seconds - one.answer.seconds, 0.0),
                     items == 0 ? 0 : static_cast<double>(one.answer.item_hits) / static_cast<double>(items));
  }

  void send(job one, double at)
  {
    const std::size_t user = static_cast<std::size_t>(to_number(one.asked.user));
    list_.look(one.asked.items, config_.node.way == serving_way::blocks ? placement_ : nobodys_);
    const double tokens = list_.tokens();
    const token_count known = (std::min)(history_[user], one.asked.history);
    const double history = config_.replicate_users ? 0 : one.asked.history;
    const auto prompt = static_cast<token_count>(config_.node.instruction + one.asked.history + tokens);
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      const bool has_user = served_by_[user] == n;
      const double has = list_.share_on(n) * tokens + (has_user ? history : 0);
      summaries_[n].hit = tokens + history > 0 ? (std::min)(has / (tokens + history), 1.0) : 0;
      summaries_[n].load = static_cast<double>(nodes_[n].queue.size()) / config_.full_load;
      summaries_[n].waiting_seconds = (std::max)(nodes_[n].free - at, 0.0);
      const double fresh = one.asked.history - (has_user || config_.replicate_users ? known : 0);
      summaries_[n].work_seconds =
          nodes_[n].served.expected_seconds(prompt, fresh + tokens - list_.tokens_on(n), list_.tokens_on(n));
    }
    const std::size_t to = route_(routed_request{.user = one.asked.user, .number = routed_++}, summaries_);
    if (to >= nodes_.size()) {
      if (one.counts) ++report_.turned_away;
      return;
    }
    station& chosen = nodes_[to];
    if (config_.replicate_users && served_by_[user] != to && history_[user] != 0) {
      chosen.served.take_in(one.asked.user, history_[user]);
    }
    prompt_.clear();
    for (const std::uint32_t item : one.asked.items) {
      const sequence_key key = items_->key_of(item);
      prompt_.push_back({.key = key, .tokens = items_->tokens_of(item), .is_kept = placement_.keeps(to, key)});
    }
    one.answer = chosen.served.serve(one.asked.user, one.asked.history, prompt_);
    one.end = (std::max)(at, chosen.free) + one.answer.seconds;
    chosen.free = one.end;
    served_by_[user] = static_cast<std::uint32_t>(to);
    history_[user] = one.asked.history;
    if (one.counts) count(to, one.answer, prompt_.size());
    chosen.queue.push_back(std::move(one));
  }

  void count(std::size_t to, const node_answer& a, std::size_t items)
  {
    node_figures& n = report_.nodes[to];
    ++n.requests;
    n.item_tokens += a.item_tokens;
    n.item_hit_tokens += a.item_hit_tokens;
    n.busy_seconds += a.seconds;
    report_.slab_tokens += a.slab_tokens;
    report_.arena_tokens += a.arena_tokens;
    report_.computed_tokens += a.computed_tokens;
    report_.item_tokens += a.item_tokens;
    report_.item_hit_tokens += a.item_hit_tokens;
    report_.unserved += a.is_unserved ? 1 : 0;
    report_.longest_seconds = (std::max)(report_.longest_seconds, a.seconds);
    if (items != 0) report_.item_hits.add(static_cast<double>(a.item_hits) / static_cast<double>(items));
  }

  /// The node will not answer it.
  void take_back(std::size_t node, const node_answer& a)
  {
    node_figures& n = report_.nodes[node];
    --n.requests;
    n.item_tokens -= a.item_tokens;
    n.item_hit_tokens -= a.item_hit_tokens;
    n.busy_seconds -= a.seconds;
    report_.slab_tokens -= a.slab_tokens;
    report_.arena_tokens -= a.arena_tokens;
    report_.computed_tokens -= a.computed_tokens;
    report_.item_tokens -= a.item_tokens;
    report_.item_hit_tokens -= a.item_hit_tokens;
    report_.unserved -= a.is_unserved ? 1 : 0;
  }

  cluster_config config_;
  const catalogue* items_;
  Router route_;
  item_placement placement_;
  std::uint64_t user_bytes_;
  std::vector<station> nodes_;
  std::vector<node_summary> summaries_;
  std::vector<std::uint32_t> served_by_;  // [user] the node; nodes: none yet
  std::vector<token_count> history_;      // [user] as of their last request
  item_placement nobodys_;
  listed_items list_;
  std::vector<prompt_item> prompt_;
  double now_ = 0;
  double first_ = 0;
  double last_ = 0;  // when the last of those that are answered was
  std::uint64_t seen_ = 0;
  std::uint64_t routed_ = 0;
  cluster_report report_;
};

}  // namespace kvstrata
