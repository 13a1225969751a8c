// One connection to a server: commands out, answers in, in their order. After any error it is dropped.
#pragma once

#include <kvstrata/tiers/redis/io/hiredis.hpp>
#include <kvstrata/tiers/redis/topology/reply.hpp>
#include <kvstrata/tiers/redis/topology/secret.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// Adds a command's words to `to`, as RESP writes them; `rest` more follow, which the caller adds.
inline void add_words(std::string& to, std::initializer_list<std::string_view> words, std::size_t rest = 0)
{
  to += '*';
  to += std::to_string(words.size() + rest);
  to += "\r\n";
  for (const std::string_view word : words) {
    to += '$';
    to += std::to_string(word.size());
    to += "\r\n";
    to += word;
    to += "\r\n";
  }
}
[[nodiscard]] inline ::iovec part_of(std::string_view text) noexcept
{
  return {const_cast<char*>(text.data()), text.size()};
}

/// The first line of an answer.
struct reply_line
{
  char type = '\0';         ///< '+', '-', ':', '$' or '*'
  std::string_view text{};  ///< behind it; valid until more is read
  std::int64_t number = 0;  ///< of ':', '$' and '*'
};

/// Errors are link_fault.
class connection
{
 public:
  connection(const address& where, const tls_context& tls, bool with_tls, double seconds)
      : socket_(where, tls, with_tls, seconds)
  {
  }

  [[nodiscard]] const address& where() const noexcept { return socket_.where(); }
  [[nodiscard]] bool is_idle() const noexcept { return begin_ == end_ && socket_.is_quiet(); }

  void send(std::span<::iovec> parts, const time_limit& limit) { socket_.send(parts, limit); }

  [[nodiscard]] reply_line read_line(const time_limit& limit)
  {
    std::size_t looked = begin_;
    for (;;) {
      const void* const at = looked < end_ ? std::memchr(buffer_.data() + looked, '\n', end_ - looked) : nullptr;
      if (at != nullptr) {
        const auto stop = static_cast<std::size_t>(static_cast<const char*>(at) - buffer_.data());
        return line_of(std::exchange(begin_, stop + 1), stop);
      }
      looked = end_ - begin_;
      if (begin_ != 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
      if (end_ == buffer_.size()) fail("it answers with a line that does not end");
      const ::iovec room{buffer_.data() + end_, buffer_.size() - end_};
      end_ += socket_.receive({&room, 1}, limit);
    }
  }

  /// Exactly these bytes, and the end of line behind them. The parts are changed. What came with an earlier read is copied,
  /// and counted; all else comes straight. Returns how much was copied.
  std::size_t read_body(std::vector<::iovec>& parts, const time_limit& limit)
  {
    std::array<char, 2> tail{};
    parts.push_back({tail.data(), tail.size()});
    const std::size_t copied = read_all(parts, limit);
    if (tail[0] != '\r' || tail[1] != '\n') fail("a value does not end where it said");
    return copied;
  }
  /// Reads the begin of a body.
  std::size_t read_part(std::span<std::byte> into, const time_limit& limit)
  {
    std::vector<::iovec>& one = scratch_parts_;
    one.assign(1, {into.data(), into.size()});
    return read_all(one, limit);
  }
  /// Reads so many bytes and an end of line, for nothing.
  void skip_body(std::uint64_t bytes, const time_limit& limit)
  {
    std::array<std::byte, 4096> away;
    for (bytes += 2; bytes != 0;) {
      const auto part = static_cast<std::size_t>((std::min)(bytes, std::uint64_t{away.size()}));
      read_part(std::span(away).first(part), limit);
      bytes -= part;
    }
  }
  /// Memory for what nobody wants of a value: valid until the next call.
  [[nodiscard]] std::byte* scratch(std::size_t bytes)
  {
    if (scratch_.size() < bytes) scratch_.resize(bytes);
    return scratch_.data();
  }

  /// A command and its whole answer, of bounded length. Nothing else may be under way.
  [[nodiscard]] reply call(std::initializer_list<std::string_view> words, const time_limit& limit)
  {
    std::string out;
    add_words(out, words);
    ::iovec part = part_of(out);
    send({&part, 1}, limit);
    std::size_t left = most_reply_bytes;
    return read_reply(limit, left);
  }

  /// The secret goes from its page to the socket.
  void authenticate(std::string_view user, const secret& password, const time_limit& limit)
  {
    std::string begin;
    if (user.empty()) add_words(begin, {"AUTH"}, 1);
    else add_words(begin, {"AUTH", user}, 1);
    begin += '$' + std::to_string(password.view().size()) + "\r\n";
    ::iovec parts[] = {part_of(begin), part_of(password.view()), part_of("\r\n")};
    send(parts, limit);
    const reply_line answer = read_line(limit);
    if (answer.type == '+') return;
    // Not more of what it says than a word: who knows what a server repeats.
    socket_.fail(
        link_fault::kind::denied,
        "the password is refused (" + std::string(answer.text.substr(0, answer.text.find(' '))).substr(0, 16) + ")");
  }

  [[noreturn]] void fail(const std::string& text) const { socket_.fail(link_fault::kind::broken, text); }

 private:
  static constexpr std::size_t buffer_bytes =
      4096;  // of the next value as much comes with the end of this one, and is copied
  static constexpr std::size_t most_reply_bytes = 16U << 20U;
  static constexpr int most_depth = 8;

  [[nodiscard]] reply_line line_of(std::size_t first, std::size_t stop) const
  {
    if (stop < first + 2 || buffer_[stop - 1] != '\r') fail("it answers with a line that is none");
    reply_line out{buffer_[first], {buffer_.data() + first + 1, stop - first - 2}, 0};
    if (out.type == '+' || out.type == '-') return out;
    const auto [end, fault] = std::from_chars(out.text.data(), out.text.data() + out.text.size(), out.number);
    if ((out.type != ':' && out.type != '$' && out.type != '*') || fault != std::errc{} ||
        end != out.text.data() + out.text.size() || (out.type != ':' && out.number < -1)) {
      fail("it answers with what is no RESP");
    }
    return out;
  }

  std::size_t read_all(std::vector<::iovec>& parts, const time_limit& limit)
  {
    std::span<::iovec> left = parts;
    std::size_t copied = 0;
    while (!left.empty() && begin_ != end_) {
      const std::size_t n = (std::min)(left.front().iov_len, end_ - begin_);
      std::memcpy(left.front().iov_base, buffer_.data() + begin_, n);
      begin_ += n;
      copied += n;
      advance(left, n);
    }
    std::array<::iovec, 64> some;
    while (!left.empty()) {
      begin_ = end_ = 0;
      std::size_t count = (std::min)(left.size(), some.size() - 1);
      std::memcpy(some.data(), left.data(), count * sizeof(::iovec));
      std::size_t wanted = 0;
      for (std::size_t i = 0; i < count; ++i) wanted += some[i].iov_len;
      if (count == left.size()) some[count++] = {buffer_.data(), buffer_.size()};
      const std::size_t got = socket_.receive({some.data(), count}, limit);
      if (got > wanted) end_ = got - wanted;
      advance(left, (std::min)(got, wanted));
    }
    return copied;
  }
  static void advance(std::span<::iovec>& parts, std::size_t bytes) noexcept
  {
    while (!parts.empty() && bytes >= parts.front().iov_len) {
      bytes -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (bytes == 0) return;
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
  }

  /// hiredis' own reader takes memory for as many parts as a list says that it has, and looks at each in the end.
  [[nodiscard]] reply read_reply(const time_limit& limit, std::size_t& left, int depth = 0)
  {
    const reply_line line = read_line(limit);
    reply out;
    out.number = line.number;
    switch (line.type) {
      case '+':
      case '-':
        out.is = line.type == '+' ? reply::kind::status : reply::kind::failure;
        out.text = line.text;
        break;
      case ':': out.is = reply::kind::integer; break;
      case '$':
        if (line.number < 0) break;
        out.is = reply::kind::text;
        take_of(left, static_cast<std::uint64_t>(line.number));
        out.text.resize(static_cast<std::size_t>(line.number));
        scratch_parts_.assign(1, {out.text.data(), out.text.size()});
        static_cast<void>(read_body(scratch_parts_, limit));
        break;
      default:
        if (line.number < 0) break;
        out.is = reply::kind::list;
        if (depth == most_depth) fail("it answers with lists in lists in lists");
        for (std::int64_t i = line.number; i > 0; --i) {
          take_of(left, sizeof(reply));
          out.parts.push_back(read_reply(limit, left, depth + 1));
        }
    }
    return out;
  }
  void take_of(std::size_t& left, std::uint64_t bytes) const
  {
    if (bytes > left) fail("its answer is longer than any should be");
    left -= bytes;
  }

  hiredis_socket socket_;
  std::array<char, buffer_bytes> buffer_{};
  std::size_t begin_ = 0, end_ = 0;  // of what was read and not used
  std::vector<::iovec> scratch_parts_;
  std::vector<std::byte> scratch_;
};

}  // namespace kvstrata::redis
