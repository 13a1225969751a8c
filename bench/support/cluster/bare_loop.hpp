// What a redis_cluster's bytes cost with hiredis alone: pipelined SETs and GETs of the same bytes on one connection, replies
// taken and thrown away, or copied to where they are wanted.
#pragma once

#include <hiredis/hiredis.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cluster_bench {

class bare_loop
{
 public:
  bare_loop(const std::string& host, int port, std::string_view password) : link_(redisConnect(host.c_str(), port))
  {
    if (!link_ || link_->err != 0) throw std::runtime_error("the bare loop does not connect");
    expect(redisCommand(link_.get(), "AUTH %b", password.data(), password.size()), throw_away);
  }

  /// In a pipeline of `depth`. Values of `bytes`, one behind the other in `from`, which is begun again when it is at its end.
  void set_all(const std::vector<std::string>& keys, std::string_view from, std::size_t bytes, std::size_t depth)
  {
    const std::size_t values = from.size() / bytes;
    pipeline(keys.size(), depth, [&](std::size_t i) {
      const std::string_view value = from.substr(i % values * bytes, bytes);
      redisAppendCommand(link_.get(), "SET %b %b", keys[i].data(), keys[i].size(), value.data(), value.size());
    });
  }
  void get_all(const std::vector<std::string>& keys, std::size_t depth)
  {
    pipeline(keys.size(), depth,
             [&](std::size_t i) { redisAppendCommand(link_.get(), "GET %b", keys[i].data(), keys[i].size()); });
  }
  /// Each value to its place in `to`, as far as there is room.
  void get_all(const std::vector<std::string>& keys, std::size_t depth, std::span<std::byte> to)
  {
    std::size_t kept = 0;
    pipeline(
        keys.size(), depth,
        [&](std::size_t i) { redisAppendCommand(link_.get(), "GET %b", keys[i].data(), keys[i].size()); },
        [&](const redisReply& reply) {
          const std::size_t bytes = (std::min)(reply.len, to.size() - kept);
          std::memcpy(to.data() + kept, reply.str, bytes);
          kept += bytes;
        });
  }
  void remove_all(const std::vector<std::string>& keys)
  {
    pipeline(keys.size(), 16,
             [&](std::size_t i) { redisAppendCommand(link_.get(), "DEL %b", keys[i].data(), keys[i].size()); });
  }

 private:
  struct frees
  {
    void operator()(redisContext* c) const noexcept { redisFree(c); }
  };

  static constexpr auto throw_away = [](const redisReply&) {};

  template <class Take>
  static void expect(void* answer, Take&& take)
  {
    auto* const reply = static_cast<redisReply*>(answer);
    if (reply == nullptr) throw std::runtime_error("the bare loop has no answer");
    const bool bad = reply->type == REDIS_REPLY_ERROR;
    const std::string text = bad ? std::string(reply->str, reply->len) : std::string();
    if (!bad) take(*reply);
    freeReplyObject(reply);
    if (bad) throw std::runtime_error("the bare loop: " + text);
  }

  template <class Append, class Take = decltype(throw_away)>
  void pipeline(std::size_t count, std::size_t depth, Append&& append, Take&& take = {})
  {
    std::size_t sent = 0;
    for (std::size_t read = 0; read < count; ++read) {
      for (; sent < count && sent - read < depth; ++sent) append(sent);
      void* answer = nullptr;
      if (redisGetReply(link_.get(), &answer) != REDIS_OK) throw std::runtime_error("the bare loop broke");
      expect(answer, take);
    }
  }

  std::unique_ptr<redisContext, frees> link_;
};

}  // namespace cluster_bench
