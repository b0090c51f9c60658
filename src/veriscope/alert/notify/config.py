"""What Alertmanager's file says of receivers: `global` and the entries of `receivers`."""

import msgspec

from veriscope.alert.notify.chat.discord import DiscordConfig
from veriscope.alert.notify.chat.msteams import MsTeamsConfig, MsTeamsV2Config
from veriscope.alert.notify.chat.rocketchat import RocketchatConfig
from veriscope.alert.notify.chat.slack import SlackConfig
from veriscope.alert.notify.chat.telegram import TelegramConfig
from veriscope.alert.notify.chat.webex import WebexConfig
from veriscope.alert.notify.chat.wechat import WeChatConfig
from veriscope.alert.notify.http import HttpConfig, TlsConfig
from veriscope.alert.notify.mail.message import EmailConfig
from veriscope.alert.notify.paging.opsgenie import OpsgenieConfig
from veriscope.alert.notify.paging.pagerduty import PagerDutyConfig
from veriscope.alert.notify.paging.pushover import PushoverConfig
from veriscope.alert.notify.paging.victorops import VictorOpsConfig
from veriscope.alert.notify.relay.alertmanager import AlertmanagerConfig
from veriscope.alert.notify.relay.apprise import AppriseConfig
from veriscope.alert.notify.relay.sns import SnsConfig
from veriscope.alert.notify.relay.webhook import WebhookConfig
from veriscope.signals import Duration, Secret, require_at_least


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a receiver may be told; what is over it waits, and only the newest state of it."""

    notifications: int
    """Notifications that may go out..."""
    per: Duration = Duration.parse("1m")
    """... in this time."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "notifications", "per")


class GlobalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alertmanager's `global`: what receivers leave open."""

    resolve_timeout: Duration = Duration.parse("5m")
    """How long an alert fires that has no end and is not heard of again."""
    http_config: HttpConfig = HttpConfig()
    """Authorization, TLS and proxy of every HTTP notifier."""
    smtp_from: str = ""
    """The sender's address."""
    smtp_smarthost: str = ""
    """`host:port` of the mail server."""
    smtp_hello: str = "localhost"
    """Name of this machine in SMTP's greeting."""
    smtp_auth_username: str = ""
    """Login."""
    smtp_auth_password: Secret | None = None
    """Its password."""
    smtp_auth_password_file: str | None = None
    """File that holds the password."""
    smtp_auth_secret: Secret | None = None
    """Its secret, for `CRAM-MD5`."""
    smtp_auth_identity: str = ""
    """Whom `PLAIN` acts for."""
    smtp_require_tls: bool = True
    """Whether to send nothing unless the connection is encrypted."""
    smtp_tls_config: TlsConfig | None = None
    """How to trust the mail server."""
    slack_api_url: Secret | None = None
    """Slack's incoming webhook."""
    slack_api_url_file: str | None = None
    """File that holds Slack's incoming webhook."""
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    """Where PagerDuty takes events."""
    opsgenie_api_url: str = "https://api.opsgenie.com/"
    """Where Opsgenie's API is."""
    opsgenie_api_key: Secret | None = None
    """Opsgenie's API key."""
    opsgenie_api_key_file: str | None = None
    """File that holds Opsgenie's API key."""
    wechat_api_url: str = "https://qyapi.weixin.qq.com/cgi-bin/"
    """Where WeChat's API is."""
    wechat_api_secret: Secret | None = None
    """Secret of the WeChat application."""
    wechat_api_corp_id: str = ""
    """Id of the organisation at WeChat."""
    victorops_api_url: str = "https://alert.victorops.com/integrations/generic/20131114/alert/"
    """Where VictorOps takes messages."""
    victorops_api_key: Secret | None = None
    """VictorOps' API key."""
    victorops_api_key_file: str | None = None
    """File that holds VictorOps' API key."""
    telegram_api_url: str = "https://api.telegram.org"
    """Where Telegram's API is."""
    webex_api_url: str = "https://webexapis.com/v1/messages"
    """Where Webex takes messages."""
    rocketchat_api_url: str = "https://open.rocket.chat/"
    """Where the Rocket.Chat server is."""
    rocketchat_token: Secret | None = None
    """Rocket.Chat's token."""
    rocketchat_token_file: str | None = None
    """File that holds Rocket.Chat's token."""
    rocketchat_token_id: Secret | None = None
    """Rocket.Chat's user id."""
    rocketchat_token_id_file: str | None = None
    """File that holds Rocket.Chat's user id."""

    def __post_init__(self) -> None:
        for key in self.__struct_fields__:
            if key.endswith("_file") and getattr(self, key) is not None:
                value = key.removesuffix("_file")
                if getattr(self, value) is not None:
                    raise ValueError(f"give {value} or {key}, not both")


class ReceiverConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `receivers`."""

    name: str
    """What it is called."""
    rate_limit: RateLimit | None = None
    """How often it may be told; a key of Veriscope's own."""
    webhook_configs: tuple[WebhookConfig, ...] = ()
    """Alertmanager's JSON by HTTP POST."""
    email_configs: tuple[EmailConfig, ...] = ()
    """Email over SMTP."""
    slack_configs: tuple[SlackConfig, ...] = ()
    """Slack, by incoming webhook or as an app."""
    pagerduty_configs: tuple[PagerDutyConfig, ...] = ()
    """PagerDuty, Events API v2 or v1."""
    opsgenie_configs: tuple[OpsgenieConfig, ...] = ()
    """Opsgenie."""
    victorops_configs: tuple[VictorOpsConfig, ...] = ()
    """VictorOps (Splunk On-Call)."""
    pushover_configs: tuple[PushoverConfig, ...] = ()
    """Pushover."""
    msteams_configs: tuple[MsTeamsConfig, ...] = ()
    """Microsoft Teams, by connector."""
    msteamsv2_configs: tuple[MsTeamsV2Config, ...] = ()
    """Microsoft Teams, by workflow."""
    discord_configs: tuple[DiscordConfig, ...] = ()
    """Discord, by webhook."""
    telegram_configs: tuple[TelegramConfig, ...] = ()
    """Telegram, by a bot."""
    webex_configs: tuple[WebexConfig, ...] = ()
    """Webex, by a bot."""
    wechat_configs: tuple[WeChatConfig, ...] = ()
    """WeChat Work."""
    rocketchat_configs: tuple[RocketchatConfig, ...] = ()
    """Rocket.Chat."""
    sns_configs: tuple[SnsConfig, ...] = ()
    """Amazon SNS."""
    apprise_configs: tuple[AppriseConfig, ...] = ()
    """Every service that the apprise library knows; a key of Veriscope's own."""
    alertmanager_configs: tuple[AlertmanagerConfig, ...] = ()
    """A real Alertmanager; a key of Veriscope's own."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name is missing; a receiver needs one")
