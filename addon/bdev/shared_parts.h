// SharedParts: what several bdevs of an engine have in common that is no bdev, such as a controller
// of which each is a namespace. The first that needs one makes it, and with the last it goes.
//
// Owner: an engine. Any thread that may block: while one is made, others who want the same wait.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace capsuled {

class SharedParts {
 public:
  /// The part of that name, or what `make()` answers: a std::shared_ptr, null if there can be none.
  /// A name begins with the kind that it is of, and always means the same type.
  template <typename Part, typename Make>
  std::shared_ptr<Part> find_or_make(const std::string& name, Make&& make) {
    Place& place = place_of(name);
    const std::lock_guard lock(place.mutex);
    if (std::shared_ptr<void> part = place.part.lock()) {
      return std::static_pointer_cast<Part>(std::move(part));
    }
    std::shared_ptr<Part> made = make();
    place.part = made;
    return made;
  }

 private:
  struct Place {
    std::mutex mutex;  ///< guards `part`
    std::weak_ptr<void> part;
  };

  /// Places stay: there are as many as names that were ever used.
  Place& place_of(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return places_[name];
  }

  std::mutex mutex_;  ///< guards the map
  std::map<std::string, Place> places_;
};

}  // namespace capsuled
