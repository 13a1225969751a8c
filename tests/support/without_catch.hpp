// The few words of Catch2 that the conformance suites use, for programs without it: conforms() runs a suite and tells a
// callback what did not hold.
//
//   const bool fine = kvstrata_test::conforms([] { kvstrata_test::replacement_conformance<my_policy>(); },
//                                             [](const std::string& sentence) { std::puts(sentence.c_str()); });
//
// As in Catch2, a suite is run again for each innermost SECTION, and REQUIRE ends the run that it stands in.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

namespace plain {

/// What REQUIRE throws; it has been told by then.
struct broken
{
};

/// The sections of a suite, run by run. One at a time in a thread.
class sections
{
 public:
  explicit sections(std::function<void(const std::string&)> told) : told_(std::move(told)) {}

  static sections*& running() noexcept
  {
    thread_local sections* now = nullptr;
    return now;
  }

  /// Whether anything was told.
  [[nodiscard]] bool run(const std::function<void()>& suite)
  {
    sections* const before = std::exchange(running(), this);
    do {
      levels_.assign(1, {});
      path_.clear();
      try {
        suite();
      } catch (const broken&) {
      } catch (const std::exception& thrown) {
        tell(std::string("something was thrown: ") + thrown.what());
      } catch (...) {
        tell("something was thrown that is no std::exception");
      }
    } while (levels_.front().more);
    running() = before;
    return told_any_;
  }

  [[nodiscard]] bool enter(const std::string& name)
  {
    const std::string inner = path_ + " / " + name;
    if (done_.contains(inner)) return false;
    if (levels_.back().entered) {
      levels_.back().more = true;
      return false;
    }
    levels_.back().entered = true;
    levels_.push_back({});
    outer_.push_back(std::exchange(path_, inner));
    return true;
  }
  void leave()
  {
    const bool more = levels_.back().more;
    levels_.pop_back();
    if (more) levels_.back().more = true;
    else done_.insert(path_);
    path_ = std::move(outer_.back());
    outer_.pop_back();
  }
  /// Which of `count` values it is in this run of a section.
  [[nodiscard]] std::size_t next_of(std::size_t count, int line)
  {
    std::size_t& next = values_[{path_, line}];
    const std::size_t mine = next < count ? next++ : count - 1;
    if (mine + 1 < count) levels_.back().more = true;
    return mine;
  }
  void tell(const std::string& sentence)
  {
    told_any_ = true;
    told_(path_.empty() ? sentence : "in" + path_.substr(2) + ": " + sentence);
  }

 private:
  struct level
  {
    bool entered = false;  ///< one of its sections, in this run
    bool more = false;     ///< of them are left for others
  };

  std::function<void(const std::string&)> told_;
  bool told_any_ = false;
  std::vector<level> levels_;
  std::vector<std::string> outer_;
  std::string path_;
  std::set<std::string> done_;
  std::map<std::pair<std::string, int>, std::size_t> values_;
};

class section
{
 public:
  explicit section(const char* name) : in_(sections::running()->enter(name)) {}
  section(const section&) = delete;
  section& operator=(const section&) = delete;
  ~section()
  {
    if (in_) sections::running()->leave();
  }
  explicit operator bool() const noexcept { return in_; }

 private:
  bool in_;
};

[[nodiscard]] inline bool check(bool holds, const char* file, int line, const char* what)
{
  if (!holds) {
    const std::string path(file);
    sections::running()->tell(path.substr(path.rfind('/') + 1) + ":" + std::to_string(line) + ": " + what +
                              " does not hold");
  }
  return holds;
}
inline void require(bool holds, const char* file, int line, const char* what)
{
  if (!check(holds, file, line, what)) throw broken{};
}
template <class Error, class Call>
[[nodiscard]] bool throws_as(const Call& call)
{
  try {
    call();
  } catch (const Error&) {
    return true;
  }
  return false;
}
template <class T>
[[nodiscard]] T value_of(std::initializer_list<T> values, int line)
{
  return values.begin()[sections::running()->next_of(values.size(), line)];
}

}  // namespace plain

/// Runs a suite; `told` hears of everything in it that does not hold, a sentence each. True when nothing was told. Suites run
/// in one thread, and `told` may be called from that thread alone.
inline bool conforms(const std::function<void()>& suite, const std::function<void(const std::string&)>& told)
{
  return !plain::sections(told).run(suite);
}

}  // namespace kvstrata_test

#define KVSTRATA_TEST_JOIN2(a, b) a##b
#define KVSTRATA_TEST_JOIN(a, b) KVSTRATA_TEST_JOIN2(a, b)
#define SECTION(...)                                                                           \
  if (const kvstrata_test::plain::section KVSTRATA_TEST_JOIN(section_, __LINE__){__VA_ARGS__}; \
      KVSTRATA_TEST_JOIN(section_, __LINE__))
#define REQUIRE(...) kvstrata_test::plain::require(static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, #__VA_ARGS__)
#define REQUIRE_FALSE(...) \
  kvstrata_test::plain::require(!static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, "!(" #__VA_ARGS__ ")")
#define REQUIRE_NOTHROW(...) static_cast<void>(__VA_ARGS__)
#define REQUIRE_THROWS_AS(call, error)                                                                              \
  kvstrata_test::plain::require(kvstrata_test::plain::throws_as<error>([&] { static_cast<void>(call); }), __FILE__, \
                                __LINE__, #call " throws " #error)
#define CHECK(...) \
  static_cast<void>(kvstrata_test::plain::check(static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, #__VA_ARGS__))
#define CHECK_FALSE(...) \
  static_cast<void>(     \
      kvstrata_test::plain::check(!static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, "!(" #__VA_ARGS__ ")"))
#define FAIL(...) kvstrata_test::plain::require(false, __FILE__, __LINE__, #__VA_ARGS__)
#define SUCCEED(...) static_cast<void>(0)
#define CAPTURE(...) static_cast<void>(0)
#define INFO(...) static_cast<void>(0)
#define GENERATE(...) kvstrata_test::plain::value_of({__VA_ARGS__}, __LINE__)
