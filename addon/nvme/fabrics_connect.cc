#include "nvme/fabrics_connect.h"

#include <algorithm>
#include <cstring>

namespace capsuled::nvme {

void fill_connect(const FabricsControllerOptions& options, const FabricsConnect& connect,
                  Request& request, wire::ConnectData& data) {
  wire::ConnectCommand command = {};
  command.opcode = wire::kFabricsOpcode;
  command.fctype = static_cast<uint8_t>(wire::FabricsCommandType::kConnect);
  command.qid.set(connect.qid);
  command.sqsize.set(static_cast<uint16_t>(connect.entries - 1));
  command.cattr = wire::ConnectAttributes::DisableSqFlowControl::set(command.cattr, uint8_t{1});
  if (connect.qid == 0) command.kato.set(options.keep_alive_timeout_ms);
  static_assert(sizeof(command) == sizeof(request.sqe));
  std::memcpy(static_cast<void*>(&request.sqe), static_cast<const void*>(&command),
              sizeof(command));
  data = {};
  std::copy(options.hostid.begin(), options.hostid.end(),
            reinterpret_cast<std::byte*>(&data.hostid));
  data.cntlid.set(connect.cntlid);
  data.subnqn.set(options.subnqn);
  data.hostnqn.set(options.hostnqn);
}

}  // namespace capsuled::nvme
